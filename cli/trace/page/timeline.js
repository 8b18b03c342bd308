/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Draws the timeline: an axis, and the visible lanes. What is narrower than two pixels is drawn by
 * pixel, as dark as that pixel is full (tracks.js says at what cost), so nothing vanishes and nothing is drawn twice.
 */

const GUTTER = 84, AXIS = 22;
const timelineBox = byId('timeline'), timelineCanvas = byId('lanes');
const pen = timelineCanvas.getContext('2d');

/* In CSS pixels; left and right of the plot, the scroll position. */
const plot = { width: 0, height: 0, left: GUTTER, scroll: 0 };

function fitCanvas(canvas, context, width, height) {
	const ratio = devicePixelRatio;
	if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
		canvas.width = Math.round(width * ratio);
		canvas.height = Math.round(height * ratio);
		canvas.style.width = width + 'px';
		canvas.style.height = height + 'px';
	}
	context.setTransform(ratio, 0, 0, ratio, 0, 0);
}

/* Pixels per ns. */
function plotScale() {
	return (plot.width - plot.left) / (view.end - view.begin);
}

function xOf(ns) {
	return plot.left + (ns - view.begin) * plotScale();
}

function nsOf(x) {
	return view.begin + (x - plot.left) / plotScale();
}

/* The index of the first thing of a track that ends after ns: ends are sorted as begins are. */
function firstAfter(track, ns) {
	return lowerBound(track.end, ns, 0, track.count);
}

/* ---- what fills a pixel or more is drawn as itself, the rest by pixel ---- */

/*
 * Calls bar(i, x, width) for what is wide, and dense(x, width, weight) for runs of pixels with more than
 * one thing or less than two pixels of it: weight is the share of the busiest, in `levels` steps.
 */
function sweep(track, full, levels, bar, dense) {
	const scale = plotScale();
	const { begin, end, sum, count } = track, right = plot.width;
	let run = -1, runEnd = -1, runLevel = 0;
	const flush = () => {
		if (run >= 0)
			dense(run, runEnd - run, runLevel / levels);
		run = -1;
	};
	let i = firstAfter(track, view.begin);
	while (i < count && begin[i] <= view.end) {
		const x = plot.left + (begin[i] - view.begin) * scale;
		const width = (end[i] - begin[i]) * scale;
		if (width >= 2) {
			flush();
			const from = Math.max(x, plot.left), to = Math.min(x + width, right);
			bar(i, from, to - from);
			i++;
			continue;
		}
		/* All that begin in this pixel. */
		const pixel = Math.max(Math.floor(x), plot.left);
		const next = gallop(begin, i + 1, count, view.begin + (pixel + 1 - plot.left) / scale);
		/* One that is wide ends the run: it is drawn as itself. */
		const last = (end[next - 1] - begin[next - 1]) * scale >= 2 ? next - 1 : next;
		const weight = (sum[last] - sum[i]) * scale / full;
		const level = Math.min(levels, Math.max(1, Math.ceil(weight * levels)));
		if (pixel !== runEnd || level !== runLevel) {
			flush();
			run = pixel;
			runLevel = level;
		}
		runEnd = pixel + 1;
		i = Math.max(last, i + 1);
	}
	flush();
}

/* lowerBound for what is most often near. */
function gallop(sorted, from, to, wanted) {
	let step = 1;
	while (from + step < to && sorted[from + step] < wanted) {
		from += step;
		step *= 2;
	}
	return lowerBound(sorted, wanted, from, Math.min(from + step + 1, to));
}

function drawSpans(track, y) {
	const kind = track.row.of, height = track.row.height - 3, colour = colours[KIND_COLOURS[kind]];
	sweep(track, 1, 4, (i, x, width) => {
		const span = track.items[i];
		drawBar(pen, kind, x, y, width, height,
			kind !== SECTION && width > 26 ? barText(span, width) : '');
	}, (x, width, level) => {
		pen.globalAlpha = 0.4 + 0.6 * level;
		pen.fillStyle = colour;
		pen.fillRect(x, y, width, height);
		pen.globalAlpha = 1;
	});
}

function barText(span, width) {
	if (width < 60)
		return String(spans.number[span]);
	const what = spanWhat(span);
	return spanName(span) + (what && width > 120 ? ' ' + what : '') + (width > 200 ? ' ' + timeText(spanLength(span)) : '');
}

/* Bars that rise with the square root of the rate: a tenth is still seen. */
function drawDensity(track, y) {
	const room = track.row.height - 2;
	const paint = (x, width, share) => {
		const height = Math.max(1, Math.sqrt(share) * room);
		pen.fillRect(x, y + room - height, width, height);
	};
	pen.fillStyle = colours.burst;
	sweep(track, track.row.top, 64, (i, x, width) => {
		const length = Math.max(track.end[i] - track.begin[i], 1000);
		paint(x, width, Math.min((track.sum[i + 1] - track.sum[i]) / length / track.row.top, 1));
	}, paint);
}

function drawTicks(track, y) {
	const height = track.row.height - 3, diamond = track.row.shape === 'diamond';
	pen.fillStyle = colours[diamond ? 'copy' : track.row.samples ? 'sample' : 'resize'];
	const nothing = () => {};
	if (!diamond) {
		sweep(track, 2 * plotScale(), 3, nothing, (x, width, level) => {
			pen.globalAlpha = 0.5 + 0.5 * level;
			pen.fillRect(x, y, width, height);
			pen.globalAlpha = 1;
		});
		return;
	}
	sweep(track, 1, 1, nothing, (x, width) => {
		const half = height / 2;
		pen.beginPath();
		pen.moveTo(x + 0.5 - half, y + half);
		pen.lineTo(x + 0.5, y);
		pen.lineTo(x + width - 0.5, y);
		pen.lineTo(x + width - 0.5 + half, y + half);
		pen.lineTo(x + width - 0.5, y + height);
		pen.lineTo(x + 0.5, y + height);
		pen.fill();
	});
}

/* ---- axis, labels, what is selected ---- */

/* 1, 2 or 5 times a power of ten, so that labels have room. */
function axisStep() {
	const wanted = (view.end - view.begin) / Math.max((plot.width - plot.left) / 90, 1);
	const power = 10 ** Math.floor(Math.log10(wanted));
	return [1, 2, 5, 10].map(factor => factor * power).find(step => step >= wanted);
}

function drawAxis() {
	const step = axisStep();
	pen.fillStyle = colours.panel;
	pen.fillRect(0, 0, plot.width, AXIS);
	pen.font = '11px system-ui, sans-serif';
	pen.textBaseline = 'middle';
	for (let tick = Math.ceil(view.begin / step) * step; tick <= view.end; tick += step) {
		const x = Math.round(xOf(tick)) + 0.5;
		pen.fillStyle = colours.line;
		pen.fillRect(x - 0.5, AXIS - 5, 1, plot.height);
		pen.fillStyle = colours.dim;
		const text = instantText(tick, step, view.end), width = pen.measureText(text).width;
		if (x + width / 2 < plot.width)
			pen.fillText(text, Math.max(x - width / 2, plot.left), AXIS / 2 - 1);
	}
}

/* A lane's name stays in sight as long as anything of the lane does. */
function drawName(lane, top) {
	const y = Math.min(Math.max(top + lane.y, AXIS), top + lane.y + lane.height - HEADER), middle = y + HEADER / 2 - 1;
	pen.fillStyle = colours.panel;
	pen.fillRect(0, y, plot.width, HEADER - 3);
	pen.font = '600 12px system-ui, sans-serif';
	pen.fillStyle = colours.text;
	pen.fillText(lane.name, 6, middle);
	let x = 6 + pen.measureText(lane.name).width + 8;
	pen.font = '11px system-ui, sans-serif';
	pen.fillStyle = colours.dim;
	pen.fillText(lane.note, x, middle);
	if (lane.lost) {
		x += pen.measureText(lane.note).width + 8;
		pen.fillStyle = colours.reclaim;
		pen.fillText('⚠ ' + lane.lost, x, middle);
	}
}

function drawLane(lane, top) {
	for (const track of lane.tracks) {
		const y = top + track.y;
		if (y > plot.height || y + track.row.height < AXIS)
			continue;
		if (track.level === 0) {
			pen.fillStyle = colours.dim;
			pen.font = '10.5px system-ui, sans-serif';
			pen.fillText(track.row.label, 12, y + (track.row.height - 3) / 2 + 0.5);
		}
		pen.font = '11px system-ui, sans-serif';
		if (track.row.of !== undefined)
			drawSpans(track, y);
		else if (track.row.shape === 'density')
			drawDensity(track, y);
		else
			drawTicks(track, y);
	}
}

/* Where a span is drawn, in CSS pixels of the canvas. */
function spanBox(span) {
	const track = tracks[trackOf[span]];
	const x = Math.max(xOf(spans.begin[span]), plot.left), end = Math.min(xOf(spans.end[span]), plot.width);
	return { x, y: AXIS - plot.scroll + track.y, width: Math.max(end - x, 2), height: track.row.height - 3,
		visible: spans.end[span] >= view.begin && spans.begin[span] <= view.end };
}

function drawOutline(span) {
	const box = spanBox(span);
	if (!box.visible)
		return;
	pen.lineWidth = 2;
	pen.strokeStyle = colours.accent;
	pen.strokeRect(box.x - 1, box.y - 1, box.width + 2, box.height + 2);
}

/* The part of the selected traversal during which the other went on, over all lanes. */
function drawBand() {
	const from = xOf(Math.max(spans.begin[view.span], spans.begin[view.other]));
	const to = xOf(Math.min(spans.end[view.span], spans.end[view.other]));
	if (to < plot.left || from > plot.width)
		return;
	pen.fillStyle = colours.band;
	const x = Math.max(from, plot.left);
	pen.fillRect(x, AXIS, Math.max(Math.min(to, plot.width) - x, 1), plot.height);
}

/* A line under a traversal, while something went on that may have slowed it. */
function drawOverlaps() {
	const scale = plotScale();
	for (let overlap = 0; overlap < overlaps.rows; overlap++) {
		const traversal = overlaps.traversal[overlap], other = overlaps.other[overlap];
		if (overlaps.elsewhere[overlap] || overlaps.ns[overlap] * scale < 1 ||
			spans.end[traversal] < view.begin || spans.begin[traversal] > view.end)
			continue;
		const box = spanBox(traversal);
		const x = Math.max(xOf(Math.max(spans.begin[traversal], spans.begin[other])), plot.left);
		const end = Math.min(xOf(Math.min(spans.end[traversal], spans.end[other])), plot.width);
		if (end < x || box.y > plot.height || box.y + box.height < AXIS)
			continue;
		pen.fillStyle = colours[KIND_COLOURS[spans.kind[other]]];
		pen.fillRect(x, box.y + box.height, end - x, 2);
	}
}

function drawHits() {
	pen.fillStyle = colours.hit;
	for (const span of visibleHits(hits, span => spans.begin[span])) {
		const box = spanBox(span);
		if (box.visible)
			pen.fillRect(box.x, box.y - 2, box.width, 2);
	}
	for (const sample of visibleHits(sampleHits, hit => samples.ns[hit])) {
		const track = sampleTracks[samples.thread[sample]], x = xOf(samples.ns[sample]);
		if (track && x >= plot.left)
			pen.fillRect(Math.floor(x), AXIS - plot.scroll + track.y, 2, track.row.height - 3);
	}
}

function paintTimeline() {
	const began = performance.now();
	plot.width = timelineBox.clientWidth;
	plot.height = timelineBox.clientHeight;
	plot.scroll = timelineBox.scrollTop;
	fitCanvas(timelineCanvas, pen, plot.width, plot.height);
	pen.fillStyle = colours.back;
	pen.fillRect(0, 0, plot.width, plot.height);
	pen.textBaseline = 'middle';
	pen.save();
	drawAxis();
	pen.beginPath();
	pen.rect(0, AXIS, plot.width, plot.height);
	pen.clip();
	if (view.other !== NONE)
		drawBand();
	const top = AXIS - plot.scroll;
	const visible = lanes.filter(lane => top + lane.y < plot.height && top + lane.y + lane.height > AXIS);
	for (const lane of visible)
		drawLane(lane, top);
	drawOverlaps();
	drawHits();
	if (view.other !== NONE)
		drawOutline(view.other);
	if (view.span !== NONE)
		drawOutline(view.span);
	for (const lane of visible)
		drawName(lane, top);
	pen.restore();
	paintTimeline.took = performance.now() - began;
}

painters.push(paintTimeline);
