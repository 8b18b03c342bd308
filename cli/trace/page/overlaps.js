/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The list of overlaps: what may have slowed a traversal, the longest first. Real buttons in a real list, a few hundred
 * at a time; choosing one selects both spans and goes there.
 */

const CHUNK_OF_ROWS = 200;
const overlapList = byId('overlap-list');
let listed = [], shown = 0;

function overlapButton(overlap) {
	const traversal = overlaps.traversal[overlap], other = overlaps.other[overlap];
	return element('button', { type: 'button', 'data-overlap': overlap, 'aria-label': overlapText(overlap) },
		element('b', {}, timeText(overlaps.ns[overlap])), key(other),
		element('span', {}, spanName(traversal) + ' × ' + spanName(other)),
		element('small', {}, spanWhat(traversal) + ', ' + threadText(spans.thread[traversal]) + ' × ' +
			threadText(spans.thread[other]) + (overlaps.elsewhere[overlap] ? ', another map' : '')));
}

function showRows(until) {
	overlapList.querySelector('.more')?.remove();
	const rows = listed.slice(shown, until).map(overlap => element('li', {}, overlapButton(overlap)));
	overlapList.append(...rows);
	shown = Math.min(until, listed.length);
	if (shown < listed.length)
		overlapList.append(element('li', { className: 'more' }, element('button', { type: 'button', 'data-more': '' },
			'Show ' + Math.min(CHUNK_OF_ROWS, listed.length - shown) + ' more of ' + countText(listed.length))));
	markRow();
}

/* The row of what is selected. */
function markRow() {
	for (const button of overlapList.querySelectorAll('[data-overlap]')) {
		const overlap = Number(button.dataset.overlap);
		const chosen = view.other !== NONE && overlaps.traversal[overlap] === view.span && overlaps.other[overlap] === view.other;
		if (chosen)
			button.setAttribute('aria-current', 'true');
		else
			button.removeAttribute('aria-current');
	}
}

const ORDERS = {
	longest: (x, y) => overlaps.elsewhere[x] - overlaps.elsewhere[y] || overlaps.ns[y] - overlaps.ns[x],
	earliest: (x, y) => spans.begin[overlaps.traversal[x]] - spans.begin[overlaps.traversal[y]],
	traversal: (x, y) => spanLength(overlaps.traversal[y]) - spanLength(overlaps.traversal[x]),
};

function listOverlaps() {
	const kind = byId('overlap-kind').value, map = byId('overlap-map').value, visible = byId('overlap-visible').checked;
	listed = [];
	for (let overlap = 0; overlap < overlaps.rows; overlap++) {
		const traversal = overlaps.traversal[overlap], other = overlaps.other[overlap];
		if ((kind === '' || spans.kind[other] === Number(kind)) &&
			(map === '' || spans.map[traversal] === Number(map)) &&
			(!visible || Math.max(spans.begin[traversal], spans.begin[other]) <= view.end &&
				Math.min(spans.end[traversal], spans.end[other]) >= view.begin))
			listed.push(overlap);
	}
	listed.sort(ORDERS[byId('overlap-order').value]);
	shown = 0;
	overlapList.replaceChildren();
	byId('overlap-count').textContent = listed.length === overlaps.rows
		? countText(overlaps.rows) : countText(listed.length) + ' of ' + countText(overlaps.rows);
	byId('overlap-none').textContent = overlaps.rows === 0
		? 'No traversal went on while anything else was reclaimed, resized, copied, compacted or stalled.'
		: 'None of this kind.';
	byId('overlap-none').hidden = listed.length > 0;
	showRows(CHUNK_OF_ROWS);
}

/* Offers the kinds and maps that occur, with how often. */
function fillFilter(select, all, keyOf, nameOf) {
	const counts = new Map();
	for (let overlap = 0; overlap < overlaps.rows; overlap++)
		counts.set(keyOf(overlap), (counts.get(keyOf(overlap)) || 0) + 1);
	select.append(element('option', { value: '' }, all));
	for (const [key, count] of [...counts].sort((x, y) => y[1] - x[1]))
		select.append(element('option', { value: key }, nameOf(key) + ' (' + countText(count) + ')'));
}

overlapList.addEventListener('click', event => {
	const button = event.target.closest('button');
	if (!button)
		return;
	if ('more' in button.dataset) {
		const first = shown;
		showRows(shown + CHUNK_OF_ROWS);
		overlapList.children[first].firstChild.focus();
		return;
	}
	const overlap = Number(button.dataset.overlap);
	showOverlap(overlaps.traversal[overlap], overlaps.other[overlap]);
	select(overlaps.traversal[overlap], overlaps.other[overlap]);
	showTracks(overlaps.traversal[overlap], overlaps.other[overlap]);
});

overlapList.addEventListener('keydown', event => {
	const row = event.target.closest('li');
	const next = event.key === 'ArrowDown' ? row?.nextSibling : event.key === 'ArrowUp' ? row?.previousSibling : undefined;
	if (next) {
		event.preventDefault();
		next.firstChild.focus();
	} else if (event.key.startsWith('Arrow') && next === null) {
		event.preventDefault();
	}
});

/* Scrolls the lanes so that a span can be seen, and if there is room the other, too; on a narrow screen the page also. */
function showTracks(span, other = NONE) {
	timelineBox.scrollIntoView({ block: 'nearest' });
	const room = timelineBox.clientHeight - AXIS;
	for (const wanted of other === NONE ? [span] : [other, span]) {
		const track = tracks[trackOf[wanted]], top = Math.max(track.y - HEADER, track.lane.y);
		if (track.y + track.row.height > timelineBox.scrollTop + room)
			timelineBox.scrollTop = track.y + track.row.height + GAP - room;
		if (top < timelineBox.scrollTop)
			timelineBox.scrollTop = top;
	}
}

function startOverlaps() {
	fillFilter(byId('overlap-kind'), 'anything', overlap => spans.kind[overlaps.other[overlap]], kind => KIND_NAMES[kind]);
	fillFilter(byId('overlap-map'), 'any map', overlap => spans.map[overlaps.traversal[overlap]],
		map => mapText(map) || 'no map');
	for (const id of ['overlap-kind', 'overlap-map', 'overlap-order', 'overlap-visible'])
		byId(id).addEventListener('change', listOverlaps);
	const left = recording.overlaps_left_out;
	byId('overlap-left').textContent = left > 0 ? plural(left, 'shorter overlap') + ' left out.' : '';
	byId('overlap-left').hidden = left === 0;
	let timer = 0;
	rangeWatchers.push(() => {
		if (!byId('overlap-visible').checked)
			return;
		clearTimeout(timer);
		timer = setTimeout(listOverlaps, 150);
	});
	selectionWatchers.push(markRow);
	listOverlaps();
}
