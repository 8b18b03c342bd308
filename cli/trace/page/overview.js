/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The whole recording in a strip above the timeline: a line for each kind of span, as dark as it was busy, and the
 * visible range as a window that can be dragged. Counted once for a width, not in each frame.
 */

const overviewCanvas = byId('overview');
const overviewPen = overviewCanvas.getContext('2d');
const OVERVIEW_HEIGHT = 40;
const OVERVIEW_KINDS = [TRAVERSAL, RECLAIM, RESIZE, COPY, COMPACT, STALL, SNAPSHOT];

let strip = null, stripWidth = 0;

/* How busy each pixel is with a kind: spans of any length cost the same, by differences of differences. */
function busyness(kind, width) {
	const scale = width / duration, slope = new Float64Array(width + 2), busy = new Float64Array(width);
	let any = false;
	for (let span = 0; span < spans.rows; span++) {
		if (spans.kind[span] !== kind)
			continue;
		any = true;
		const from = Math.min(spans.begin[span] * scale, width), to = Math.min(spans.end[span] * scale, width);
		const first = Math.min(Math.floor(from), width - 1), last = Math.min(Math.floor(to), width - 1);
		if (first === last) {
			busy[first] += to - from;
			continue;
		}
		busy[first] += first + 1 - from;
		busy[last] += to - last;
		slope[first + 1]++;
		slope[last]--;
	}
	let inside = 0;
	for (let x = 0; x < width; x++) {
		inside += slope[x];
		busy[x] += inside;
	}
	return any ? busy : null;
}

function makeStrip(width) {
	strip = document.createElement('canvas');
	strip.width = width;
	strip.height = OVERVIEW_HEIGHT;
	stripWidth = width;
	const ink = strip.getContext('2d');
	const present = OVERVIEW_KINDS.map(kind => [kind, busyness(kind, width)]).filter(([, busy]) => busy);
	const step = Math.floor((OVERVIEW_HEIGHT - 4) / Math.max(present.length, 1));
	present.forEach(([kind, busy], row) => {
		const most = busy.reduce((x, y) => Math.max(x, y), 1e-9);
		ink.fillStyle = colours[KIND_COLOURS[kind]];
		for (let x = 0; x < width; x++) {
			if (busy[x] === 0)
				continue;
			ink.globalAlpha = 0.35 + 0.65 * Math.min(busy[x] / Math.min(most, 1), 1);
			ink.fillRect(x, 2 + row * step, 1, Math.min(step - 1, 9));
		}
	});
}

function paintOverview() {
	const width = overviewCanvas.parentElement.clientWidth;
	if (!strip || stripWidth !== width)
		makeStrip(width);
	fitCanvas(overviewCanvas, overviewPen, width, OVERVIEW_HEIGHT);
	overviewPen.fillStyle = colours.back;
	overviewPen.fillRect(0, 0, width, OVERVIEW_HEIGHT);
	overviewPen.drawImage(strip, 0, 0, width, OVERVIEW_HEIGHT);
	const from = view.begin / duration * width, to = Math.max(view.end / duration * width, from + 3);
	overviewPen.fillStyle = colours.panel;
	overviewPen.globalAlpha = 0.72;
	overviewPen.fillRect(0, 0, from, OVERVIEW_HEIGHT);
	overviewPen.fillRect(to, 0, width - to, OVERVIEW_HEIGHT);
	overviewPen.globalAlpha = 1;
	overviewPen.strokeStyle = colours.accent;
	overviewPen.lineWidth = 1;
	overviewPen.strokeRect(from + 0.5, 0.5, Math.max(to - from - 1, 2), OVERVIEW_HEIGHT - 1);
}

let overviewGrip = null; /* where in the window it was taken, ns */

function moveWindow(event) {
	const instant = event.offsetX / overviewCanvas.clientWidth * duration;
	const length = view.end - view.begin;
	if (overviewGrip === null)
		overviewGrip = instant >= view.begin && instant <= view.end ? instant - view.begin : length / 2;
	setRange(instant - overviewGrip, instant - overviewGrip + length);
}

overviewCanvas.addEventListener('pointerdown', event => {
	overviewCanvas.setPointerCapture(event.pointerId);
	overviewGrip = null;
	moveWindow(event);
});
overviewCanvas.addEventListener('pointermove', event => {
	if (overviewCanvas.hasPointerCapture(event.pointerId))
		moveWindow(event);
});

painters.push(paintOverview);
