/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Names and numbers for people. Texts of the recording (threads, functions, files) go into the page as
 * text nodes and attributes only, never as markup.
 */

/* 1 234 567, with spaces that do not break. */
function countText(number) {
	return String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

function plural(number, one, many = one + 's') {
	return countText(number) + ' ' + (number === 1 ? one : many);
}

const UNITS = [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']];

/* Three digits and a unit: 5.00 ms. */
function timeText(ns) {
	const size = Math.abs(ns);
	for (const [unit, name] of UNITS) {
		const value = ns / unit;
		if (size >= unit * 0.9995 || unit === 1) {
			const digits = unit === 1 || Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 9.995 ? 1 : 2;
			return value.toFixed(digits) + '\u00a0' + name;
		}
	}
	return '';
}

/* "1 ms": without decimals that say nothing. */
function periodText(ns) {
	return timeText(ns).replace(/\.0+(?=\D)/, '');
}

/* A point in time such that two which are `step` apart differ, in the unit that suits `like`. */
function instantText(ns, step, like = ns) {
	const [unit, name] = UNITS.find(([size]) => Math.max(Math.abs(like), step) >= size) || UNITS[3];
	const digits = Math.max(0, Math.ceil(Math.log10(unit / step) - 1e-9));
	return (ns / unit).toFixed(Math.min(digits, 9)) + '\u00a0' + name;
}

/* A thread's name, with its id where another has the same. */
const threadNames = (() => {
	const seen = new Map();
	for (const thread of threads)
		seen.set(thread.name, (seen.get(thread.name) || 0) + 1);
	return threads.map(thread => {
		const name = thread.name || 'thread';
		return thread.name && seen.get(thread.name) === 1 ? name : name + ' ' + thread.id;
	});
})();

/* A map's kind, with the end of its address where a span or mark is of another map of that kind. */
const mapNames = (() => {
	const used = new Set(spans.map), alike = new Map();
	for (const map of marks.map)
		used.add(map);
	maps.forEach((map, index) => {
		if (used.has(index))
			alike.set(map.kind, (alike.get(map.kind) || []).concat(map.address));
	});
	return maps.map(map => {
		const kind = map.kind || 'map', all = alike.get(map.kind) || [];
		if (all.length < 2)
			return kind;
		let digits = 4;
		while (digits < map.address.length && all.some(other => other !== map.address &&
			other.slice(-digits) === map.address.slice(-digits)))
			digits++;
		return kind + ' …' + map.address.slice(-digits);
	});
})();

function threadText(thread) {
	return thread === NONE ? 'an unknown thread' : threadNames[thread];
}

function mapText(map) {
	return map === NONE ? '' : mapNames[map];
}

/* "traversal 14" */
function spanName(span) {
	return KIND_NAMES[spans.kind[span]] + ' ' + spans.number[span];
}

/* "walk of hashmap", "of hashmap", "" */
function spanWhat(span) {
	const map = mapText(spans.map[span]);
	const verb = spans.kind[span] === TRAVERSAL ? VERB_NAMES[spans.a[span]] || 'traversal' : '';
	return [verb, map && 'of ' + map].filter(Boolean).join(' ');
}

function spanLength(span) {
	return spans.end[span] - spans.begin[span];
}

/* "traversal 14 (walk of hashmap, walker-1)" */
function spanText(span) {
	const inside = [spanWhat(span), threadText(spans.thread[span])].filter(Boolean).join(', ');
	return spanName(span) + ' (' + inside + ')';
}

function overlapText(overlap) {
	return spanText(overlaps.traversal[overlap]) + ' overlapped ' + spanText(overlaps.other[overlap]) +
		' for ' + timeText(overlaps.ns[overlap]) + (overlaps.elsewhere[overlap] ? ', in another map' : '');
}

/* What a span's numbers say, as [term, text]. */
function spanCounts(span) {
	const a = spans.a[span], b = spans.b[span], ended = spans.end_thread[span] !== NONE;
	switch (spans.kind[span]) {
	case RECLAIM:
		return [['waiting', plural(a, 'pointer')], ['released', ended ? plural(b, 'pointer') : 'not known']];
	case RESIZE:
		return [['buckets', countText(a) + ' → ' + countText(b)]];
	case COPY:
		return [['copied', plural(a, 'entry', 'entries')]];
	case STALL:
		return [['for', a ? 'thread ' + stalledText(a) : 'a reader'], ['epoch', countText(b)]];
	default:
		return [];
	}
}

/* The reader that a stall waits for, which the probe names by the kernel's id. */
function stalledText(id) {
	const thread = threads.findIndex(candidate => candidate.id === id);
	return thread === -1 ? String(id) : threadNames[thread];
}

/* An element with properties and children; a child that is a string is text. */
function element(name, properties = {}, ...children) {
	const made = document.createElement(name);
	for (const [key, value] of Object.entries(properties)) {
		if (key in made)
			made[key] = value;
		else
			made.setAttribute(key, value);
	}
	made.append(...children);
	return made;
}

function byId(id) {
	return document.getElementById(id);
}
