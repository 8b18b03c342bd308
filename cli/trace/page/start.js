/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The head of the page (what was recorded, and what was lost), the legend, and the start of everything.
 */

function exitText(status) {
	const signal = status & 0x7f;
	return signal === 0 ? 'exit ' + (status >> 8 & 0xff) : 'killed by signal ' + signal;
}

function headTexts() {
	const texts = [
		timeText(recording.ns), plural(threads.length, 'thread'), plural(maps.length, 'map'),
		plural(recording.events, 'event'), plural(samples.rows, 'sample') +
			(recording.sample_ns ? ' of ' + periodText(recording.sample_ns) : ''),
		exitText(recording.exit_status),
		new Date(recording.began_ms).toISOString().replace('T', ' ').slice(0, 19) + ' UTC',
	];
	if (recording.event_cost_ps > 0)
		texts.push('recording took ' + timeText(recording.event_cost_ps / 1000 * recording.events) + ' (' +
			timeText(recording.event_cost_ps / 1000) + ' an event)');
	return texts;
}

/* What is missing is said before anything else. */
function lossTexts() {
	const texts = [];
	const losers = threads.map((thread, index) => [index, lossText(thread)]).filter(([, text]) => text);
	const sum = name => threads.reduce((total, thread) => total + thread[name], 0);
	if (losers.length > 0) {
		const total = [];
		if (sum('events_lost') > 0)
			total.push(plural(sum('events_lost'), 'event'));
		if (sum('samples_lost') > 0)
			total.push(plural(sum('samples_lost'), 'sample'));
		const named = losers.slice(0, 6).map(([index, text]) => threadNames[index] + ' ' + text);
		if (losers.length > named.length)
			named.push(plural(losers.length - named.length, 'more thread'));
		texts.push(total.join(' and ') + ' were lost, because a ring was full (' + named.join('; ') +
			'). Spans may be missing, or seem longer than they were.');
	}
	if (recording.threads_lost > 0)
		texts.push(plural(recording.threads_lost, 'thread') + ' had no ring: nothing of ' +
			(recording.threads_lost === 1 ? 'it' : 'them') + ' is in this recording.');
	return texts;
}

/* Why there is nothing to see. */
function absenceTexts() {
	const texts = [];
	if (spans.rows === 0 && marks.rows === 0)
		texts.push('No events: the program called no calm map while it was recorded, or the calm it runs was built ' +
			'without probes (sys/sdt.h was missing), or it is a program that the recorder cannot be loaded into (static, setuid).');
	else if (!spans.kind.includes(TRAVERSAL))
		texts.push('No traversals: no walk, each, or traversal of a snapshot began or ended while it was recorded.');
	if (samples.rows === 0)
		texts.push('No samples, so no flame graph: sampling was off or not allowed, or the program used less processor ' +
			'time than one sample stands for.');
	return texts;
}

function fillNotes(id, texts) {
	byId(id).replaceChildren(...texts.map(text => element('p', {}, text)));
	byId(id).hidden = texts.length === 0;
}

/* A swatch as the timeline draws it, a name and a count for each kind that occurs. */
function drawLegend() {
	const counts = new Array(SPAN_KINDS).fill(0);
	for (let span = 0; span < spans.rows; span++)
		counts[spans.kind[span]]++;
	const items = [];
	counts.forEach((count, kind) => {
		if (count === 0)
			return;
		const swatch = element('canvas', { 'aria-hidden': 'true' }), ink = swatch.getContext('2d');
		fitCanvas(swatch, ink, 22, 12);
		drawBar(ink, kind, 0, kind === SECTION ? 3 : 0, 22, kind === SECTION ? 6 : 12, '');
		items.push(element('li', {}, swatch, KIND_NAMES[kind] + ' ', element('small', {}, countText(count))));
	});
	byId('legend').replaceChildren(...items);
}

function showRange() {
	const step = (view.end - view.begin) / 1000;
	byId('range').textContent = instantText(view.begin, step, view.end) + ' – ' + instantText(view.end, step) +
		' (' + timeText(view.end - view.begin) + ')';
}

function dress() {
	readColours(pen);
	strip = null;
	drawLegend();
	repaint();
}

function resize() {
	timelineBox.style.setProperty('--lanes-height', AXIS + lanesHeight + 'px');
	byId('lanes-room').style.height = Math.max(0, AXIS + lanesHeight - timelineBox.clientHeight) + 'px';
	repaint();
}

function start() {
	const command = recording.command.join(' ');
	document.title = 'calm trace: ' + command;
	byId('command').textContent = command;
	byId('facts').replaceChildren(...headTexts().map(text => element('li', {}, text)));
	fillNotes('lost', lossTexts());
	fillNotes('absent', absenceTexts());

	byId('fit').addEventListener('click', fit);
	byId('closer').addEventListener('click', () => zoom(1 / 1.5));
	byId('farther').addEventListener('click', () => zoom(1.5));
	byId('keys').addEventListener('click', () => byId('help').showModal());
	rangeWatchers.push(showRange);
	selectionWatchers.push(showDetails);

	startFlame();
	startSearch();
	startOverlaps();
	dress();
	showDetails();
	new ResizeObserver(resize).observe(timelineBox);
	new ResizeObserver(repaint).observe(flameBox);
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', dress);
	if (location.hash)
		readHash();
	else
		fit();
	document.documentElement.dataset.ready = Math.round(performance.now());
}

start();
