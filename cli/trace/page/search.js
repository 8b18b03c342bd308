/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Search: words that must all be in a span's kind, verb, thread or map, or be its number; and in functions' names.
 * Each word is held against every name once, so a million spans cost a few look-ups each.
 */

const searchField = byId('search');
let hits = [];                  /* spans, in their order */
let sampleHits = [];            /* samples in which a function was found */
let sampleAt = NONE;            /* the one that was gone to */
let functionHits = new Uint8Array(0);

/* Which of these texts contain the word. */
function containing(texts, word) {
	return Uint8Array.from(texts, text => text.toLowerCase().includes(word) ? 1 : 0);
}

function findSpans(words) {
	const tests = words.map(word => /^\d+$/.test(word) ? { number: Number(word) } : {
		number: NONE,
		kind: containing(KIND_NAMES, word), verb: containing(VERB_NAMES, word),
		thread: containing(threadNames, word), map: containing(mapNames, word),
	});
	const found = [];
	for (let span = 0; span < spans.rows; span++) {
		const kind = spans.kind[span];
		let all = true;
		for (const test of tests) {
			all = test.number !== NONE ? spans.number[span] === test.number
				: test.kind[kind] || kind === TRAVERSAL && test.verb[spans.a[span]] ||
					test.thread[spans.thread[span]] || test.map[spans.map[span]];
			if (!all)
				break;
		}
		if (all)
			found.push(span);
	}
	return found;
}

/* A sample counts if any function of its stack does. */
function findSamples() {
	const inStack = new Uint8Array(stacks.rows), found = [];
	for (let stack = 0; stack < stacks.rows; stack++) {
		const caller = stacks.caller[stack];
		inStack[stack] = functionHits[functionOf[stacks.frame[stack]]] || caller !== NONE && inStack[caller] ? 1 : 0;
	}
	for (let sample = 0; sample < samples.rows; sample++)
		if (samples.stack[sample] !== NONE && inStack[samples.stack[sample]])
			found.push(sample);
	return found;
}

function search() {
	const words = searchField.value.toLowerCase().split(/\s+/).filter(Boolean);
	hits = [];
	sampleHits = [];
	sampleAt = NONE;
	functionHits = new Uint8Array(functions.length);
	let text = '';
	if (words.length > 0) {
		hits = findSpans(words);
		functions.forEach(({ name }, of) => {
			functionHits[of] = words.every(word => name.toLowerCase().includes(word)) ? 1 : 0;
		});
		sampleHits = findSamples();
		text = plural(hits.length, 'span');
		if (sampleHits.length > 0)
			text += ', ' + plural(sampleHits.length, 'sample') + ' (' +
				(sampleHits.length / samples.rows * 100).toFixed(sampleHits.length * 10 < samples.rows ? 1 : 0) + ' %)';
	}
	byId('hits').textContent = text;
	byId('next').disabled = byId('previous').disabled = hits.length + sampleHits.length === 0;
	repaint();
}

/* Of those found, which begin before the end of what is visible; of very many only some: they are everywhere. */
function visibleHits(found, timeOf) {
	const last = lowerBoundBy(found, timeOf, view.end), step = Math.max(1, Math.floor(last / 20000));
	return step === 1 ? found.slice(0, last) : found.filter((hit, i) => i < last && i % step === 0);
}

function lowerBoundBy(sorted, valueOf, wanted) {
	let from = 0, to = sorted.length;
	while (from < to) {
		const middle = from + to >>> 1;
		if (valueOf(sorted[middle]) < wanted)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* To the next span found, or if there is none to the next sample. */
function nextHit(step) {
	const inSpans = hits.length > 0, list = inSpans ? hits : sampleHits;
	if (list.length === 0)
		return;
	/* From what was gone to, or where one looks. */
	const current = inSpans ? view.span : sampleAt;
	const timeOf = inSpans ? span => spans.begin[span] : sample => samples.ns[sample];
	const from = current === NONE ? lowerBoundBy(list, timeOf, view.begin) : lowerBound(list, current);
	let place = step < 0 ? from - 1 : current !== NONE && list[from] === current ? from + 1 : from;
	place = (place + list.length) % list.length;
	byId('hits').textContent = countText(place + 1) + ' of ' + plural(list.length, inSpans ? 'span' : 'sample');
	if (inSpans) {
		select(list[place]);
		showSpan(list[place]);
		showTracks(list[place]);
		return;
	}
	sampleAt = list[place];
	const half = Math.min((view.end - view.begin) / 2, 20 * (recording.sample_ns || 1e6));
	select(NONE);
	setRange(samples.ns[sampleAt] - half, samples.ns[sampleAt] + half);
}

function startSearch() {
	let timer = 0;
	searchField.addEventListener('input', () => {
		clearTimeout(timer);
		timer = setTimeout(search, 120);
	});
	searchField.addEventListener('keydown', event => {
		if (event.key === 'Enter') {
			clearTimeout(timer);
			search();
			nextHit(event.shiftKey ? -1 : 1);
			timelineBox.focus({ preventScroll: true });
		} else if (event.key === 'Escape') {
			searchField.value = '';
			search();
			timelineBox.focus({ preventScroll: true });
		}
	});
	byId('next').addEventListener('click', () => nextHit(1));
	byId('previous').addEventListener('click', () => nextHit(-1));
	search();
}
