/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What is being looked at: the visible range and the selection. Everything else draws what these say, and is
 * told when they change; they stand in location.hash, so that a view can be sent to somebody.
 *
 * Invariants: 0 <= begin < end <= duration, and end - begin >= SHORTEST; `other` is selected only beside
 * `span`, as the other one of an overlap.
 */

const SHORTEST = 50; /* ns: below, begins and ends are no more than noise */

const view = { begin: 0, end: duration, span: NONE, other: NONE };
const rangeWatchers = [], selectionWatchers = [];

let drawing = false;
const painters = [];

/* Paints once before the next frame, however often it is asked for. */
function repaint() {
	if (drawing)
		return;
	drawing = true;
	requestAnimationFrame(() => {
		drawing = false;
		for (const paint of painters)
			paint();
	});
}

function setRange(begin, end) {
	const length = Math.min(Math.max(end - begin, SHORTEST), duration);
	if (end - begin < SHORTEST)
		begin = (begin + end - length) / 2;
	view.begin = Math.min(Math.max(begin, 0), duration - length);
	view.end = view.begin + length;
	for (const watch of rangeWatchers)
		watch();
	repaint();
	keepHash();
}

/* factor < 1: closer, with `instant` where it is. */
function zoom(factor, instant = (view.begin + view.end) / 2) {
	const length = Math.min(Math.max((view.end - view.begin) * factor, SHORTEST), duration);
	const share = (instant - view.begin) / (view.end - view.begin);
	setRange(instant - share * length, instant + (1 - share) * length);
}

/* By a share of what is visible. */
function pan(share) {
	const by = share * (view.end - view.begin);
	setRange(view.begin + by, view.end + by);
}

function fit() {
	setRange(0, duration);
}

function select(span, other = NONE) {
	view.span = span;
	view.other = span === NONE ? NONE : other;
	for (const watch of selectionWatchers)
		watch();
	repaint();
	keepHash();
}

/* Leaves the range if the span can be seen well in it. */
function showSpan(span) {
	const begin = spans.begin[span], end = spans.end[span], length = Math.max(end - begin, SHORTEST);
	const visible = view.end - view.begin;
	if (begin < view.begin || end > view.end || length < visible / 50)
		setRange(begin - length * 2, end + length * 2);
}

/* Both spans of an overlap, unless it would be too small to see in them. */
function showOverlap(span, other) {
	const from = Math.max(spans.begin[span], spans.begin[other]), to = Math.min(spans.end[span], spans.end[other]);
	const room = Math.max(to - from, SHORTEST) * 10;
	const begin = Math.max(Math.min(spans.begin[span], spans.begin[other]), from - room);
	const end = Math.min(Math.max(spans.end[span], spans.end[other]), to + room);
	const margin = (end - begin) / 20;
	setRange(begin - margin, end + margin);
}

/* ---- location.hash: #range=BEGIN-END&span=traversal-14&with=reclaim-3, in ns ---- */

function spanKey(span) {
	return KIND_NAMES[spans.kind[span]].replace(' ', '_') + '-' + spans.number[span];
}

function spanOfKey(key) {
	const [, name, number] = /^([a-z_]+)-(\d+)$/.exec(key || '') || [];
	const kind = KIND_NAMES.indexOf((name || '').replace('_', ' '));
	for (let span = 0; kind !== -1 && span < spans.rows; span++)
		if (spans.kind[span] === kind && spans.number[span] === Number(number))
			return span;
	return NONE;
}

let hashTimer = 0, ownHash = '';

function writeHash() {
	const parts = [];
	if (view.begin > 0 || view.end < duration)
		parts.push('range=' + Math.round(view.begin) + '-' + Math.round(view.end));
	if (view.span !== NONE)
		parts.push('span=' + spanKey(view.span));
	if (view.other !== NONE)
		parts.push('with=' + spanKey(view.other));
	ownHash = parts.length ? '#' + parts.join('&') : '';
	if (location.hash !== ownHash)
		history.replaceState(null, '', ownHash || '#');
}

/* Browsers refuse more than a few of these a second. */
function keepHash() {
	clearTimeout(hashTimer);
	hashTimer = setTimeout(writeHash, 200);
}

function readHash() {
	if (location.hash === ownHash)
		return;
	const wanted = new URLSearchParams(location.hash.slice(1));
	const [, begin, end] = /^(\d+)-(\d+)$/.exec(wanted.get('range') || '') || [];
	const span = spanOfKey(wanted.get('span'));
	select(span, spanOfKey(wanted.get('with')));
	if (begin !== undefined && Number(end) > Number(begin))
		setRange(Number(begin), Number(end));
	else if (span !== NONE)
		showSpan(span);
	else
		fit();
}

addEventListener('hashchange', readHash);
