/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * How kinds look: a colour from page.css and a pattern each, so that no kind is told by colour alone.
 *
 * traversal plain; snapshot hollow; reclaim rising lines; resize upright lines; copy crossed lines;
 * compaction level lines; stall dots; read section plain, and half as high.
 */

let colours = {};
let patterns = [];

const KIND_COLOURS = ['traversal', 'snapshot', 'reclaim', 'resize', 'copy', 'compaction', 'stall', 'section'];
const NAMES = [...KIND_COLOURS, 'back', 'panel', 'text', 'dim', 'line', 'accent', 'hit', 'on-bar', 'burst', 'sample',
	'on-hit', 'frame-program', 'frame-calm', 'frame-library', 'frame-kernel', 'frame-text', 'band'];

/* The strokes of each kind's pattern, in a square of 8 by 8. */
const STROKES = {
	reclaim: [[-2, 10, 10, -2], [-2, 2, 2, -2], [6, 10, 10, 6]],
	resize: [[2, 0, 2, 8], [6, 0, 6, 8]],
	copy: [[-2, 10, 10, -2], [-2, -2, 10, 10]],
	compaction: [[0, 2, 8, 2], [0, 6, 8, 6]],
};

function makePattern(context, name, ratio) {
	const size = Math.round(8 * ratio), tile = document.createElement('canvas');
	tile.width = tile.height = size;
	const pen = tile.getContext('2d');
	pen.scale(size / 8, size / 8);
	pen.fillStyle = colours[name];
	pen.fillRect(0, 0, 8, 8);
	pen.strokeStyle = pen.fillStyle = colours.back;
	pen.globalAlpha = 0.42;
	for (const [x, y, toX, toY] of STROKES[name] || []) {
		pen.beginPath();
		pen.moveTo(x, y);
		pen.lineTo(toX, toY);
		pen.stroke();
	}
	if (name === 'stall') {
		pen.fillRect(1, 1, 2, 2);
		pen.fillRect(5, 5, 2, 2);
	}
	const pattern = context.createPattern(tile, 'repeat');
	pattern.setTransform(new DOMMatrix([8 / size, 0, 0, 8 / size, 0, 0]));
	return pattern;
}

function readColours(context) {
	const style = getComputedStyle(document.documentElement);
	colours = {};
	for (const name of NAMES)
		colours[name] = style.getPropertyValue('--' + name).trim();
	patterns = KIND_COLOURS.map(name =>
		STROKES[name] || name === 'stall' ? makePattern(context, name, devicePixelRatio) : colours[name]);
}

/* The square of a span's colour before its name. */
function key(span) {
	return element('i', { className: 'key ' + KIND_COLOURS[spans.kind[span]] });
}

/* A bar with its kind's look; text fits in or is left out. */
function drawBar(pen, kind, x, y, width, height, text) {
	if (kind === SNAPSHOT) {
		pen.globalAlpha = 0.22;
		pen.fillStyle = colours.snapshot;
		pen.fillRect(x, y, width, height);
		pen.globalAlpha = 1;
		pen.strokeStyle = colours.snapshot;
		pen.lineWidth = 1;
		pen.strokeRect(x + 0.5, y + 0.5, Math.max(width - 1, 0.5), height - 1);
	} else {
		pen.fillStyle = patterns[kind];
		pen.fillRect(x, y, width, height);
	}
	if (text && width > 26) {
		const plain = kind === TRAVERSAL || kind === SNAPSHOT || kind === SECTION;
		const fitting = fitText(pen, text, width - 8);
		if (!fitting)
			return;
		if (!plain) { /* text on a pattern would not be read */
			pen.fillStyle = colours[KIND_COLOURS[kind]];
			pen.fillRect(x, y, pen.measureText(fitting).width + 8, height);
		}
		pen.fillStyle = kind === SNAPSHOT ? colours.text : colours['on-bar'];
		pen.fillText(fitting, x + 4, y + height / 2 + 0.5);
	}
}

/* As much of a text as fits, or nothing if that is not worth reading. */
function fitText(pen, text, width) {
	let measured = pen.measureText(text).width;
	if (measured <= width)
		return text;
	let keep = Math.floor(text.length * width / measured);
	if (keep < 3)
		return '';
	let short = text.slice(0, keep - 1) + '…';
	while (pen.measureText(short).width > width && keep > 2)
		short = text.slice(0, --keep - 1) + '…';
	return keep > 2 ? short : '';
}
