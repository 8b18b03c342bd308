/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Mouse, touch and keyboard on the timeline. The wheel zooms where the pointer is, over the labels it scrolls
 * the lanes; keys work wherever the focus is, except where text is typed.
 */

const tip = byId('tip');
const pointers = new Map(); /* that are down: id -> { x, y } */
let moved = false;

/* ---- what lies under a point ---- */

function trackAt(y) {
	const inside = y - AXIS + plot.scroll;
	if (y < AXIS)
		return undefined;
	const lane = lanes.find(candidate => inside >= candidate.y && inside < candidate.y + candidate.height);
	return lane && lane.tracks.find(track => inside >= track.y && inside < track.y + track.row.height);
}

/* The longest thing of a track within two pixels: { i, others }, or undefined. */
function thingAt(track, x) {
	const from = nsOf(x - 2), to = nsOf(x + 2);
	let best = -1, seen = 0, i = firstAfter(track, from);
	const first = i;
	for (; i < track.count && track.begin[i] <= to && seen < 20000; i++, seen++)
		if (best === -1 || track.end[i] - track.begin[i] > track.end[best] - track.begin[best])
			best = i;
	return best === -1 ? undefined : { i: best, others: lowerBound(track.begin, to, first, track.count) - first - 1 };
}

function markText(track, i) {
	const item = track.items[i];
	if (track.row.samples)
		return [frameText(stacks.frame[samples.stack[item]]), 'a sample'];
	const map = mapText(marks.map[item]), of = map && ' of ' + map;
	switch (marks.kind[item]) {
	case CHUNK:
		return ['resize' + of + ', from bucket ' + countText(marks.a[item])];
	case PROMOTION:
		return ['promotion' + of, plural(marks.a[item], 'entry', 'entries')];
	default: {
		const what = { [SECTIONS]: 'short read section', [RETIRES]: 'retired pointer', [IMAGES]: 'image' }[marks.kind[item]];
		const length = marks.length[item], count = marks.count[item];
		return [plural(count, what) + of, 'in ' + timeText(length) +
			(length > 0 ? ', ' + countText(count / length * 1e9) + ' a second' : '')];
	}
	}
}

function tipText(track, found) {
	const lines = track.row.of !== undefined
		? [spanText(track.items[found.i]), timeText(spanLength(track.items[found.i])),
			...spanCounts(track.items[found.i]).map(pair => pair.join(': '))]
		: markText(track, found.i);
	lines.push('at ' + instantText(track.begin[found.i], (view.end - view.begin) / 1000));
	if (found.others > 0)
		lines.push('and ' + countText(found.others) + ' more here');
	return lines;
}

function showTip(lines, event) {
	tip.replaceChildren(...lines.map((line, i) => element(i === 0 ? 'b' : 'span', {}, line)));
	tip.hidden = false;
	const box = tip.getBoundingClientRect();
	tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 4)) + 'px';
	const below = event.clientY + 20, fits = below + box.height <= innerHeight;
	tip.style.top = (fits ? below : event.clientY - box.height - 10) + 'px';
}

function hideTip() {
	tip.hidden = true;
}

function hover(event) {
	const track = trackAt(event.offsetY);
	const found = track && event.offsetX >= plot.left ? thingAt(track, event.offsetX) : undefined;
	timelineCanvas.style.cursor = found && track.row.of !== undefined ? 'pointer' : '';
	if (found)
		showTip(tipText(track, found), event);
	else
		hideTip();
}

function click(event) {
	const track = trackAt(event.offsetY);
	const found = track && event.offsetX >= plot.left ? thingAt(track, event.offsetX) : undefined;
	select(found && track.row.of !== undefined ? track.items[found.i] : NONE);
}

/* ---- pointers ---- */

function drag(event, before) {
	if (pointers.size === 1) {
		pan((before.x - event.offsetX) / (plot.width - plot.left));
		timelineBox.scrollTop += before.y - event.offsetY;
		return;
	}
	const [one, two] = [...pointers.values()];
	const rest = one === before ? two : one;
	const wide = Math.abs(event.offsetX - rest.x), was = Math.abs(before.x - rest.x);
	if (wide > 4 && was > 4)
		zoom(was / wide, nsOf((event.offsetX + rest.x) / 2));
}

timelineCanvas.addEventListener('pointerdown', event => {
	if (event.button !== 0)
		return;
	timelineCanvas.setPointerCapture(event.pointerId);
	pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
	if (pointers.size === 1)
		moved = false;
	timelineBox.focus({ preventScroll: true });
});

timelineCanvas.addEventListener('pointermove', event => {
	const before = pointers.get(event.pointerId);
	if (!before) {
		hover(event);
		return;
	}
	if (!moved && Math.hypot(event.offsetX - before.x, event.offsetY - before.y) < 4)
		return;
	moved = true;
	hideTip();
	drag(event, before);
	before.x = event.offsetX;
	before.y = event.offsetY;
});

timelineCanvas.addEventListener('pointerup', event => {
	if (pointers.delete(event.pointerId) && !moved)
		click(event);
});
timelineCanvas.addEventListener('pointercancel', event => pointers.delete(event.pointerId));
timelineCanvas.addEventListener('pointerleave', hideTip);
timelineBox.addEventListener('scroll', repaint);

timelineCanvas.addEventListener('wheel', event => {
	if (event.offsetX < plot.left && !event.ctrlKey)
		return;
	event.preventDefault();
	hideTip();
	const pixels = [1, 16, 400][event.deltaMode];
	const sideways = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
	if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
		pan(sideways * pixels / (plot.width - plot.left));
	else
		zoom(Math.exp(event.deltaY * pixels * 0.002), nsOf(event.offsetX));
}, { passive: false });

/* ---- keys ---- */

const KEYS = {
	ArrowLeft: () => pan(-0.15), a: () => pan(-0.15),
	ArrowRight: () => pan(0.15), d: () => pan(0.15),
	w: () => zoom(1 / 1.5), '+': () => zoom(1 / 1.5), '=': () => zoom(1 / 1.5),
	s: () => zoom(1.5), '-': () => zoom(1.5),
	Home: fit,
	'/': () => searchField.select(),
	n: () => nextHit(1), N: () => nextHit(-1),
	Escape: () => select(NONE),
	'?': () => byId('help').showModal(),
};

document.addEventListener('keydown', event => {
	if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || byId('help').open ||
		event.target.matches('select, input:not([type=checkbox])'))
		return;
	if ((event.key === 'ArrowUp' || event.key === 'ArrowDown') && event.target === timelineBox)
		return; /* scrolls the lanes */
	const act = KEYS[event.key];
	if (!act)
		return;
	event.preventDefault();
	hideTip();
	act();
});
