/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Lanes and their tracks: where everything is drawn, and the indices that make drawing cheap.
 *
 * A lane is a thread, or all snapshots, which belong to no thread. A track is a row of a lane
 * with things of one kind that do not overlap each other: what nests goes to the next row (first fit).
 * So both begins and ends of a track are sorted, and `sum`, the weight of all things before, gives what
 * lies in any interval by two look-ups: busy time of spans, count of marks. Drawing a track takes
 * O(pixels * log things), however many there are.
 */

/* enum trace_event_kind, of marks */
const CHUNK = 5, PROMOTION = 9, SECTIONS = 17, RETIRES = 18, IMAGES = 19;

/* The rows of a lane from the top; height: with its gap. of: span kind; marks: mark kind. */
const ROWS = [
	{ label: 'snapshots', of: SNAPSHOT, height: 16 },
	{ label: 'traversals', of: TRAVERSAL, height: 18 },
	{ label: 'reclaim', of: RECLAIM, height: 16 },
	{ label: 'resize', of: RESIZE, height: 16 },
	{ label: 'chunks', marks: CHUNK, height: 12, shape: 'tick' },
	{ label: 'copy', of: COPY, height: 16 },
	{ label: 'promotion', marks: PROMOTION, height: 12, shape: 'diamond' },
	{ label: 'compaction', of: COMPACT, height: 16 },
	{ label: 'stall', of: STALL, height: 16 },
	{ label: 'sections', of: SECTION, height: 12 },
	{ label: 'short sect.', marks: SECTIONS, height: 12, shape: 'density' },
	{ label: 'retires', marks: RETIRES, height: 12, shape: 'density' },
	{ label: 'images', marks: IMAGES, height: 12, shape: 'density' },
	{ label: 'samples', samples: true, height: 12, shape: 'tick' },
];
const HEADER = 20; /* of a lane: its name */
const GAP = 3;     /* below a lane */

const lanes = [];                               /* { name, note, y, height, tracks } */
const trackOf = new Uint32Array(spans.rows);   /* of a span: index into tracks */
const tracks = [];
const sampleTracks = [];                        /* of a thread; undefined: it has no samples */

/* Rows of one lane and kind, filled by first fit. */
function makeRow(lane, row, level) {
	const track = { row, level, lane, count: 0, last: 0, y: 0 };
	track.id = tracks.push(track) - 1;
	lane.tracks.push(track);
	return track;
}

/* Counts of all tracks are known: gives each its arrays, to be filled in order. */
function openTracks() {
	for (const track of tracks) {
		if (track.items)
			continue;
		track.items = new Uint32Array(track.count);
		track.begin = new Float64Array(track.count);
		track.end = new Float64Array(track.count);
		track.sum = new Float64Array(track.count + 1);
		track.count = 0;
	}
}

function put(track, item, begin, end, weight) {
	const place = track.count++;
	track.items[place] = item;
	track.begin[place] = begin;
	track.end[place] = end;
	track.sum[place + 1] = track.sum[place] + weight;
}

function placeSpans(laneOf) {
	const rowOfKind = [];
	for (const row of ROWS)
		if (row.of !== undefined)
			rowOfKind[row.of] = row;
	for (let span = 0; span < spans.rows; span++) {
		const kind = spans.kind[span], begin = spans.begin[span], lane = laneOf(span);
		const levels = lane.levels[kind] || (lane.levels[kind] = []);
		let level = 0;
		while (level < levels.length && levels[level].last > begin)
			level++;
		if (level === levels.length)
			levels.push(makeRow(lane, rowOfKind[kind], level));
		levels[level].last = spans.end[span];
		levels[level].count++;
		trackOf[span] = levels[level].id;
	}
	openTracks();
	for (let span = 0; span < spans.rows; span++) {
		const begin = spans.begin[span], end = spans.end[span];
		put(tracks[trackOf[span]], span, begin, end, end - begin);
	}
}

/* Marks, or samples: a track for each lane and row. */
function placePoints(table, threadLanes, rowOf, beginOf, weightOf) {
	const found = new Map();
	const trackFor = point => {
		const row = rowOf(point), thread = table.thread[point];
		if (!row || thread === NONE)
			return undefined;
		const key = thread * ROWS.length + ROWS.indexOf(row);
		let track = found.get(key);
		if (!track)
			found.set(key, track = makeRow(threadLanes[thread], row, 0));
		return track;
	};
	const of = new Array(table.rows);
	for (let point = 0; point < table.rows; point++) {
		of[point] = trackFor(point);
		if (of[point])
			of[point].count++;
	}
	openTracks();
	for (let point = 0; point < table.rows; point++)
		if (of[point])
			put(of[point], point, beginOf(point), table.ns[point], weightOf(point));
}

/* The highest rate of a kind of burst per ns, over a thousandth of the recording: what a full bar stands for. */
function topRate(row) {
	const PARTS = 1000;
	let top = 0;
	for (const track of tracks) {
		if (track.row !== row)
			continue;
		const counts = new Float64Array(PARTS + 1);
		for (let i = 0; i < track.count; i++)
			counts[Math.floor(track.end[i] / duration * PARTS)] += track.sum[i + 1] - track.sum[i];
		top = Math.max(top, ...counts);
	}
	return top * PARTS / duration;
}

function layOut() {
	let y = 0;
	for (const lane of lanes) {
		lane.tracks.sort((x, z) => ROWS.indexOf(x.row) - ROWS.indexOf(z.row) || x.level - z.level);
		lane.y = y;
		y += HEADER;
		for (const track of lane.tracks) {
			track.y = y;
			y += track.row.height;
		}
		y += GAP;
		lane.height = y - lane.y;
	}
	return y;
}

function lossText(thread) {
	const lost = [];
	if (thread.events_lost)
		lost.push(plural(thread.events_lost, 'event'));
	if (thread.samples_lost)
		lost.push(plural(thread.samples_lost, 'sample'));
	return lost.length ? 'lost ' + lost.join(' and ') : '';
}

/* Makes all lanes; their height together. */
function makeLanes() {
	const threadLanes = threads.map((thread, index) =>
		({ name: threadNames[index], note: 'thread ' + thread.id, lost: lossText(thread), levels: [], tracks: [] }));
	const snapshots = { name: 'Snapshots', note: '', lost: '', levels: [], tracks: [] };
	placeSpans(span => spans.kind[span] === SNAPSHOT || spans.thread[span] === NONE
		? snapshots : threadLanes[spans.thread[span]]);
	const markRows = new Map(ROWS.filter(row => row.marks !== undefined).map(row => [row.marks, row]));
	placePoints(marks, threadLanes, mark => markRows.get(marks.kind[mark]),
		mark => marks.ns[mark] - marks.length[mark], mark => marks.count[mark]);
	const sampleRow = ROWS.find(row => row.samples);
	placePoints(samples, threadLanes, () => sampleRow, sample => samples.ns[sample], () => 1);
	for (const lane of threadLanes)
		sampleTracks.push(lane.tracks.find(track => track.row.samples));
	lanes.push(...(snapshots.tracks.length > 0 ? [snapshots] : []), ...threadLanes);
	for (const row of ROWS)
		if (row.shape === 'density')
			row.top = topRate(row);
	return layOut();
}

const lanesHeight = makeLanes();
