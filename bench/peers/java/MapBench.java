// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The calm authors
// The far end of bench/peers/child.h for Java. Keys are boxed before anything is measured, values
// as they are put: what the interface demands.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.channels.FileChannel;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;

public final class MapBench {
	private static final long KEY = (1L << 62) - 1;
	private static final int INDEX = (1 << 28) - 1;
	private static final int BATCH = 256;

	private static ConcurrentHashMap<Long, Long> map;
	private static Long[] boxes = new Long[0]; // by index
	private static final List<MemoryPoolMXBean> pools = ManagementFactory.getMemoryPoolMXBeans();
	private static volatile int phase;
	private static long seed;

	// Operations as drawn.
	private static final class Stream {
		byte[] ops;
		Long[] keys;
	}

	private static Stream last; // the one that ran last, and its number
	private static String lastNumber;

	private static Stream read(String path, int count) throws Exception {
		Stream stream = new Stream();
		stream.ops = new byte[count];
		stream.keys = new Long[count];
		try (RandomAccessFile file = new RandomAccessFile(path, "r")) {
			LongBuffer words = file.getChannel().map(FileChannel.MapMode.READ_ONLY, 0, 8L * count)
				.order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
			for (int i = 0; i < count; i++) {
				long word = words.get(i);
				int index = (int) word & INDEX;
				if (index >= boxes.length)
					boxes = java.util.Arrays.copyOf(boxes, Math.max(index + 1, 2 * boxes.length));
				if (boxes[index] == null)
					boxes[index] = word & KEY;
				stream.ops[i] = (byte) (word >>> 62);
				stream.keys[i] = boxes[index];
			}
		}
		return stream;
	}

	private static final class Worker extends Thread {
		private final Stream stream;
		private final SplittableRandom random;
		private int at;
		long before, ops, hits, wrong, puts, inserts, inserted, erases, erased;

		Worker(Stream stream) {
			this.stream = stream;
			random = new SplittableRandom(++seed);
		}

		// flip: inserts are erases and erases inserts.
		void batch(int count, boolean flip) {
			for (int i = 0; i < count; i++) {
				Long key = stream.keys[at];
				long value = key | (long) i << 62;
				int op = stream.ops[at];
				switch (flip && op > 1 ? 5 - op : op) {
				case 0: {
					Long found = map.get(key);
					if (found != null) {
						hits++;
						if ((found ^ key) << 2 != 0)
							wrong++;
					}
					break;
				}
				case 1:
					puts++;
					map.put(key, value);
					break;
				case 2:
					inserts++;
					if (map.putIfAbsent(key, value) == null)
						inserted++;
					break;
				default:
					erases++;
					if (map.remove(key) != null)
						erased++;
				}
				if (++at == stream.ops.length)
					at = 0;
			}
			ops += count;
		}

		@Override
		public void run() {
			at = random.nextInt(stream.ops.length);
			while (phase == 0)
				Thread.yield();
			for (int now = phase; now != 3; now = phase) {
				if (now == 1)
					before = ops;
				batch(BATCH, random.nextBoolean());
			}
		}
	}

	private static void sleep(long until) throws Exception {
		for (long now; (now = System.nanoTime()) < until;)
			Thread.sleep((until - now) / 1000000, (int) ((until - now) % 1000000));
	}

	private static String run(Stream stream, int threads, long warm, long ns) throws Exception {
		Worker[] workers = new Worker[threads];
		phase = 0;
		for (int i = 0; i < threads; i++) {
			workers[i] = new Worker(stream);
			workers[i].start();
		}
		long began = System.nanoTime();
		phase = 1;
		sleep(began + warm);
		began = System.nanoTime();
		phase = 2;
		sleep(began + ns);
		long elapsed = System.nanoTime() - began;
		phase = 3;
		long[] sum = new long[9];
		for (Worker w : workers) {
			w.join();
			long[] own = {w.ops - w.before, w.ops, w.hits, w.wrong, w.puts, w.inserts, w.inserted, w.erases,
				w.erased};
			for (int i = 0; i < own.length; i++)
				sum[i] += own[i];
		}
		StringBuilder line = new StringBuilder().append(elapsed);
		for (long number : sum)
			line.append(' ').append(number);
		return line.toString();
	}

	// What the last collection found reachable. totalMemory() - freeMemory() will not do: as soon as
	// anything is allocated after the collection, it has a thread's whole allocation buffer in it.
	private static long bytes() {
		long sum = 0;
		last = null;
		lastNumber = null;
		boxes = new Long[0];
		for (int i = 0; i < 3; i++)
			System.gc();
		for (MemoryPoolMXBean pool : pools) {
			if (pool.getType() == MemoryType.HEAP && pool.getCollectionUsage() != null)
				sum += pool.getCollectionUsage().getUsed();
		}
		return sum;
	}

	public static void main(String[] arguments) throws Exception {
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		for (String line; (line = in.readLine()) != null;) {
			String[] words = line.split(" ");
			String answer = "ok";
			switch (words[0]) {
			case "create": {
				int capacity = Integer.parseInt(words[1]);
				map = capacity > 0 ? new ConcurrentHashMap<>(capacity) : new ConcurrentHashMap<>();
				break;
			}
			case "fill": {
				Stream stream = read(words[1], Integer.parseInt(words[2]));
				new Worker(stream).batch(stream.ops.length, false);
				break;
			}
			case "run": {
				if (!words[3].equals(lastNumber)) {
					last = read(words[1], Integer.parseInt(words[2]));
					lastNumber = words[3];
				}
				answer = run(last, Integer.parseInt(words[4]), Long.parseLong(words[5]),
					Long.parseLong(words[6]));
				break;
			}
			case "size":
				answer = Long.toString(map.mappingCount());
				break;
			case "bytes":
				answer = Long.toString(bytes());
				break;
			default:
				answer = "what";
			}
			System.out.println(answer);
		}
	}
}
