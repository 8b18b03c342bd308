/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What is known of the selected span, as text: its numbers, how it compares with others of its kind, and what went on
 * meanwhile, on whatever thread.
 */

const MEANWHILE = 12; /* named; the others are counted */
const sortedLengths = [];

/* Of all spans of a kind, the shortest first. */
function lengthsOf(kind) {
	if (!sortedLengths[kind]) {
		const lengths = [];
		for (let span = 0; span < spans.rows; span++)
			if (spans.kind[span] === kind)
				lengths.push(spanLength(span));
		sortedLengths[kind] = Float64Array.from(lengths).sort();
	}
	return sortedLengths[kind];
}

/* "3rd longest of 120; median 1.20 ms" */
function rankText(span) {
	const lengths = lengthsOf(spans.kind[span]);
	if (lengths.length < 2)
		return 'the only one';
	const longer = lengths.length - lowerBound(lengths, spanLength(span) + 0.5);
	return (longer === 0 ? 'the longest' : 'longer: ' + countText(longer)) + ' of ' + countText(lengths.length) +
		'; median ' + timeText(lengths[lengths.length >> 1]);
}

function endText(span) {
	if (spans.end_thread[span] === NONE)
		return 'it had not ended when the recording did';
	if (spans.begin_lost[span])
		return 'its begin was lost: it may be shorter';
	return spans.end_thread[span] === spans.thread[span] ? '' : 'ended by ' + threadText(spans.end_thread[span]);
}

function facts(span) {
	const map = spans.map[span], begin = spans.begin[span], end = spans.end[span];
	const step = Math.max((end - begin) / 1000, 1);
	const rows = [
		['lasted', timeText(end - begin) + ' (' + rankText(span) + ')'],
		['from', instantText(begin, step, end) + ' to ' + instantText(end, step)],
		[spans.kind[span] === SNAPSHOT ? 'opened by' : 'thread', threadText(spans.thread[span])],
	];
	if (map !== NONE)
		rows.push(['map', (maps[map].kind || 'map') + ' at ' + maps[map].address]);
	rows.push(...spanCounts(span));
	if (endText(span))
		rows.push(['note', endText(span)]);
	return rows;
}

/* Spans that went on during this one: { kinds: [{ kind, count, ns }], longest: [{ span, ns }], count }. */
function meanwhile(span) {
	const begin = spans.begin[span], end = spans.end[span];
	const kinds = KIND_NAMES.map((name, kind) => ({ kind, count: 0, ns: 0 }));
	const longest = [];
	let all = 0;
	for (let other = 0; other < spans.rows && spans.begin[other] < end; other++) {
		if (spans.end[other] <= begin || other === span || spans.kind[other] === SECTION)
			continue;
		const ns = Math.min(spans.end[other], end) - Math.max(spans.begin[other], begin);
		kinds[spans.kind[other]].count++;
		kinds[spans.kind[other]].ns += ns;
		all++;
		if (longest.length === MEANWHILE && ns <= longest[MEANWHILE - 1].ns)
			continue;
		longest.length = Math.min(longest.length, MEANWHILE - 1);
		let place = longest.length;
		while (place > 0 && longest[place - 1].ns < ns)
			place--;
		longest.splice(place, 0, { span: other, ns });
	}
	return { kinds: kinds.filter(({ count }) => count > 0), longest, count: all };
}

function spanButton(span, text) {
	return element('button', { type: 'button', 'data-span': span }, key(span), text);
}

function showDetails() {
	const box = byId('details'), span = view.span;
	if (span === NONE) {
		box.replaceChildren(element('p', { className: 'dim' }, spans.rows === 0
			? 'There is nothing to select.' : 'Nothing is selected. Click a span, or choose an overlap.'));
		byId('said').textContent = '';
		return;
	}
	const parts = [element('h3', {}, key(span),
		spanName(span) + (spanWhat(span) && ': ' + spanWhat(span)))];
	let sentence = '';
	if (view.other !== NONE) {
		const ns = Math.min(spans.end[span], spans.end[view.other]) - Math.max(spans.begin[span], spans.begin[view.other]);
		sentence = 'Overlapped ' + spanText(view.other) + ' for ' + timeText(ns) + ', ' +
			(ns / Math.max(spanLength(span), 1) * 100).toFixed(0) + ' % of its time.';
		parts.push(element('p', { className: 'sentence' }, sentence));
	}
	parts.push(element('dl', {}, ...facts(span).flatMap(([term, text]) => [element('dt', {}, term), element('dd', {}, text)])));
	const others = meanwhile(span);
	if (others.count > 0) {
		parts.push(element('p', {}, 'Meanwhile: ' + others.kinds.map(({ kind, count, ns }) =>
			plural(count, KIND_NAMES[kind]) + ' (' + timeText(ns) + ')').join(', ') + '.'));
		parts.push(element('ul', { className: 'spans' }, ...others.longest.map(({ span: other, ns }) =>
			element('li', {}, spanButton(other, spanName(other) + ', ' + threadText(spans.thread[other]) + ': ' + timeText(ns))))));
		if (others.count > others.longest.length)
			parts.push(element('p', { className: 'dim' },
				'and ' + countText(others.count - others.longest.length) + ' shorter ones.'));
	} else {
		parts.push(element('p', { className: 'dim' }, 'Nothing else went on meanwhile.'));
	}
	box.replaceChildren(...parts);
	byId('said').textContent = 'Selected ' + spanText(span) + ', ' + timeText(spanLength(span)) + '. ' + sentence;
}

byId('details').addEventListener('click', event => {
	const button = event.target.closest('[data-span]');
	if (!button)
		return;
	const span = Number(button.dataset.span);
	select(span);
	showSpan(span);
	showTracks(span);
});
