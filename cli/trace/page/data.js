/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The recording: what page.c wrote into the page, decoded.
 *
 * A table is an object of columns; a column is base64 of LEB128 numbers, each the zigzag of its
 * difference to the one before (page.c says why). Invariants: spans are in the order of their begins,
 * marks and samples in that of their times; -1 is no such thing; nothing here is changed later on.
 */

const NONE = -1;

const TRAVERSAL = 0, SNAPSHOT = 1, RECLAIM = 2, RESIZE = 3, COPY = 4, COMPACT = 5, STALL = 6,
	SECTION = 7; /* enum trace_span_kind */
const SPAN_KINDS = 8;
const KIND_NAMES = ['traversal', 'snapshot', 'reclaim', 'resize', 'copy', 'compaction', 'stall', 'read section'];
const VERB_NAMES = ['each', 'walk', 'snapshot each', 'snapshot range', 'snapshot diff']; /* enum trace_verb */

function decodeBase64(text) {
	if (Uint8Array.fromBase64)
		return Uint8Array.fromBase64(text);
	const binary = atob(text), bytes = new Uint8Array(binary.length);
	for (let i = 0; i < bytes.length; i++)
		bytes[i] = binary.charCodeAt(i);
	return bytes;
}

function decodeColumn(text, count, Type) {
	const bytes = decodeBase64(text), column = new Type(count);
	let at = 0, value = 0;
	for (let i = 0; i < count; i++) {
		let byte = bytes[at++];
		if (byte < 128) {
			value += byte >> 1 ^ -(byte & 1);
		} else {
			/* Beyond 31 bits, where JavaScript's integers end, a double holds 53. */
			let zigzag = byte & 127, unit = 128;
			do {
				byte = bytes[at++];
				zigzag += (byte & 127) * unit;
				unit *= 128;
			} while (byte > 127);
			value += zigzag % 2 ? -(zigzag + 1) / 2 : zigzag / 2;
		}
		column[i] = value;
	}
	return column;
}

/* types: what each column becomes. */
function decodeTable(table, types) {
	const out = { rows: table.rows };
	for (const name of Object.keys(types))
		out[name] = decodeColumn(table[name], table.rows, types[name]);
	return out;
}

function readRecording() {
	const element = document.getElementById('recording');
	const recording = JSON.parse(element.textContent);
	element.remove(); /* tens of megabytes */
	const time = Float64Array, index = Int32Array;
	recording.spans = decodeTable(recording.spans, {
		begin: time, end: time, a: time, b: time, thread: index, end_thread: index, map: index,
		number: index, kind: Uint8Array, begin_lost: Uint8Array,
	});
	recording.marks = decodeTable(recording.marks, {
		ns: time, length: time, a: time, count: time, thread: index, map: index, kind: Uint8Array,
	});
	recording.overlaps = decodeTable(recording.overlaps, { traversal: index, other: index, ns: time, elsewhere: Uint8Array });
	recording.samples = decodeTable(recording.samples, { ns: time, thread: index, stack: index });
	recording.stacks = decodeTable(recording.stacks, { frame: index, caller: index });
	const frames = decodeTable(recording.frames, { line: index, module_index: index });
	recording.frames = Object.assign(recording.frames, frames); /* function, file: texts as they are */
	return recording;
}

const recording = readRecording();
const { spans, marks, overlaps, samples, stacks, frames, threads, maps } = recording;
/* A recording of nothing still needs a length to draw. */
const duration = Math.max(recording.ns, 1000);

/* The first index from `from` on whose value is >= wanted, in what is sorted. */
function lowerBound(sorted, wanted, from = 0, to = sorted.length) {
	while (from < to) {
		const middle = from + to >>> 1;
		if (sorted[middle] < wanted)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}
