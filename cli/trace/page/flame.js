/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The flame graph: where the processor was, from the outermost function at the top to the innermost, as wide
 * as there were samples (Gregg, "The flame graph", CACM 59(6), 2016; upside down, so that it begins where one reads first).
 *
 * Stacks are merged by function once, at the start: nodes, whose parents have lower numbers. Counting a
 * range is then one pass over its samples and one over the nodes.
 */

const flameCanvas = byId('flame'), flameBox = byId('flame-box');
const flamePen = flameCanvas.getContext('2d');
const FRAME_HEIGHT = 18;

const functions = [];       /* { name, look, frame }, each once */
const functionOf = [];      /* of a frame */
const nodes = { count: 0, parent: [], of: [] };
const nodeOfStack = new Int32Array(stacks.rows);

const flame = { self: null, total: null, samples: 0, root: NONE, boxes: [], focus: NONE, depth: 0 };

function moduleText(frame) {
	const module = frames.module_index[frame];
	return module === NONE ? '' : recording.modules[module] || '';
}

const folder = file => file.slice(0, file.lastIndexOf('/') + 1);
const calmFolders = new Set(); /* of sources that define something with calm's prefix */

/* Which colour a function has. calm may be linked in, and its static functions have no prefix; the program is the first module. */
function lookOf(name, frame) {
	const module = moduleText(frame), file = frames.file[frame];
	if (/^calm_/.test(name) || /\/libcalm\.so/.test(module) || file && calmFolders.has(folder(file)))
		return 'frame-calm';
	if (/^\[(kernel|vdso)/.test(module) || name === '[kernel]')
		return 'frame-kernel';
	return module === recording.modules[0] ? 'frame-program' : 'frame-library';
}

function mergeStacks() {
	const known = new Map(), merged = new Map();
	for (let frame = 0; frame < frames.rows; frame++)
		if (/^calm_/.test(frames.function[frame]) && frames.file[frame])
			calmFolders.add(folder(frames.file[frame]));
	for (let frame = 0; frame < frames.rows; frame++) {
		const name = frames.function[frame], key = name + '\n' + moduleText(frame);
		if (!known.has(key))
			known.set(key, functions.push({ name, frame, look: lookOf(name, frame) }) - 1);
		functionOf[frame] = known.get(key);
	}
	for (let stack = 0; stack < stacks.rows; stack++) {
		const caller = stacks.caller[stack], parent = caller === NONE ? NONE : nodeOfStack[caller];
		const of = functionOf[stacks.frame[stack]], key = (parent + 1) * functions.length + of;
		let node = merged.get(key);
		if (node === undefined) {
			node = nodes.count++;
			merged.set(key, node);
			nodes.parent.push(parent);
			nodes.of.push(of);
		}
		nodeOfStack[stack] = node;
	}
}

/* "hash_each, hashmap.c:120" */
function frameText(frame) {
	const file = frames.file[frame], line = frames.line[frame];
	if (!file)
		return frames.function[frame];
	return frames.function[frame] + ', ' + file.replace(/.*\//, '') + (line ? ':' + line : '');
}

/* ---- which samples ---- */

/* { begin, end, thread (NONE: all), text } */
function flameScope() {
	if (view.span === NONE)
		return { begin: view.begin, end: view.end, thread: NONE, text: 'in the visible range, all threads' };
	const all = byId('flame-all').checked, thread = spans.thread[view.span];
	return { begin: spans.begin[view.span], end: spans.end[view.span], thread: all ? NONE : thread,
		text: 'during ' + spanName(view.span) + ', ' + (all ? 'all threads' : threadText(thread)) };
}

function countSamples(scope) {
	flame.self = new Uint32Array(nodes.count);
	flame.total = new Uint32Array(nodes.count);
	flame.samples = 0;
	for (let i = lowerBound(samples.ns, scope.begin); i < samples.rows && samples.ns[i] <= scope.end; i++) {
		if (scope.thread !== NONE && samples.thread[i] !== scope.thread)
			continue;
		flame.samples++;
		if (samples.stack[i] !== NONE)
			flame.self[nodeOfStack[samples.stack[i]]]++;
	}
	for (let node = nodes.count - 1; node >= 0; node--) {
		flame.total[node] += flame.self[node];
		if (nodes.parent[node] !== NONE)
			flame.total[nodes.parent[node]] += flame.total[node];
	}
	if (flame.root !== NONE && flame.total[flame.root] === 0)
		flame.root = NONE;
}

/* How far to trust it: half the width of the 95 % interval of a share of one half. */
function trustText(count, scope) {
	const period = periodText(recording.sample_ns || 1e6);
	if (recording.samples.rows === 0)
		return 'This recording has no samples: sampling was off, not allowed, or the program ran for less than ' + period + '.';
	if (count === 0)
		return 'No sample ' + scope.text + ': that is ' + timeText(scope.end - scope.begin) + ', and one is taken in each ' +
			period + ' of processor time.';
	const error = Math.round(98 / Math.sqrt(count));
	const few = count < 10 ? 'too few to mean anything' : count < 40 ? 'few: a share may be off by ' + error + ' points' : '';
	return plural(count, 'sample') + ' of ' + period + ' ' + scope.text + (few ? ': ' + few : '') + '.';
}

/* ---- layout: boxes of what is wide enough, from the root of the zoom down ---- */

function layFlame(width) {
	const children = new Map();
	for (let node = 0; node < nodes.count; node++) {
		if (flame.total[node] === 0)
			continue;
		const siblings = children.get(nodes.parent[node]);
		if (siblings)
			siblings.push(node);
		else
			children.set(nodes.parent[node], [node]);
	}
	flame.boxes = [{ node: NONE, x: 0, width, row: 0 }];
	flame.depth = 1;
	const path = [];
	for (let node = flame.root; node !== NONE; node = nodes.parent[node])
		path.unshift(node);
	for (const node of path)
		flame.boxes.push({ node, x: 0, width, row: flame.depth++ });
	const whole = flame.root === NONE ? flame.samples : flame.total[flame.root];
	const place = (parent, x, row) => {
		const below = (children.get(parent) || []).sort((p, q) => flame.total[q] - flame.total[p]);
		for (const node of below) {
			const wide = flame.total[node] / whole * width;
			if (wide < 0.5)
				break; /* and so are the others */
			flame.boxes.push({ node, x, width: wide, row });
			flame.depth = Math.max(flame.depth, row + 1);
			place(node, x, row + 1);
			x += wide;
		}
	};
	if (whole > 0)
		place(flame.root, 0, flame.depth);
}

function boxName(node) {
	return node === NONE ? 'all' : functions[nodes.of[node]].name;
}

function boxCount(node) {
	return node === NONE ? flame.samples : flame.total[node];
}

function paintFlame() {
	const width = flameBox.clientWidth;
	if (flame.laidOut !== width) {
		layFlame(width);
		flame.laidOut = width;
	}
	fitCanvas(flameCanvas, flamePen, width, Math.max(flame.depth, 1) * FRAME_HEIGHT);
	flamePen.fillStyle = colours.back;
	flamePen.fillRect(0, 0, width, flame.depth * FRAME_HEIGHT);
	flameCanvas.hidden = flame.samples === 0;
	flamePen.font = '11.5px system-ui, sans-serif';
	flamePen.textBaseline = 'middle';
	for (const box of flame.boxes) {
		const y = box.row * FRAME_HEIGHT, above = box.row > 0 && box.width === width && isAbove(box.node);
		const hit = box.node !== NONE && functionHits[nodes.of[box.node]];
		flamePen.globalAlpha = above ? 0.55 : 1;
		flamePen.fillStyle = hit ? colours.hit : box.node === NONE ? colours.line : colours[functions[nodes.of[box.node]].look];
		flamePen.fillRect(box.x, y, Math.max(box.width - 1, 0.5), FRAME_HEIGHT - 1);
		flamePen.globalAlpha = 1;
		if (box.width > 24) {
			flamePen.fillStyle = box.node === NONE ? colours.text : hit ? colours['on-hit'] : colours['frame-text'];
			flamePen.fillText(fitText(flamePen, boxName(box.node), box.width - 8), box.x + 4, y + FRAME_HEIGHT / 2);
		}
		if (box.node === flame.focus && document.activeElement === flameCanvas) {
			flamePen.strokeStyle = colours.accent;
			flamePen.lineWidth = 2;
			flamePen.strokeRect(box.x + 1, y + 1, Math.max(box.width - 3, 1), FRAME_HEIGHT - 3);
		}
	}
}

/* An ancestor of what is zoomed into. */
function isAbove(node) {
	for (let at = flame.root; at !== NONE; at = nodes.parent[at])
		if (nodes.parent[at] === node)
			return true;
	return false;
}

/* The hottest functions, as text. */
function listFunctions() {
	const self = new Map();
	for (let node = 0; node < nodes.count; node++)
		if (flame.self[node] > 0)
			self.set(nodes.of[node], (self.get(nodes.of[node]) || 0) + flame.self[node]);
	const rows = [...self].sort((x, y) => y[1] - x[1]).slice(0, 20).map(([of, count]) => element('tr', {},
		element('td', {}, countText(count)), element('td', {}, (count / flame.samples * 100).toFixed(1) + ' %'),
		element('th', { scope: 'row' }, functions[of].name)));
	byId('functions').replaceChildren(...rows);
	byId('functions-box').hidden = rows.length === 0;
}

function refreshFlame() {
	const scope = flameScope();
	countSamples(scope);
	flame.laidOut = -1;
	byId('looks').hidden = flame.samples === 0;
	byId('flame-all').disabled = view.span === NONE;
	byId('flame-note').textContent = trustText(flame.samples, scope);
	byId('flame-note').classList.toggle('few', flame.samples < 40 && samples.rows > 0);
	listFunctions();
	repaint();
}

/* ---- mouse and keys ---- */

function flameText(node) {
	const lines = [boxName(node)], count = boxCount(node);
	if (node !== NONE) {
		const { frame } = functions[nodes.of[node]];
		const where = [frames.file[frame], moduleText(frame)].filter(Boolean);
		lines.push(...where);
	}
	lines.push(plural(count, 'sample') + ', ' + (count / Math.max(flame.samples, 1) * 100).toFixed(1) + ' %' +
		(node === NONE ? '' : '; itself ' + countText(flame.self[node])));
	return lines;
}

function boxAt(event) {
	const row = Math.floor(event.offsetY / FRAME_HEIGHT);
	return flame.boxes.find(box => box.row === row && event.offsetX >= box.x && event.offsetX < box.x + box.width);
}

function zoomFlame(node) {
	flame.root = flame.focus = node;
	flame.laidOut = -1;
	byId('flame-said').textContent = flameText(node).join(', ');
	repaint();
}

flameCanvas.addEventListener('pointermove', event => {
	const box = boxAt(event);
	flameCanvas.style.cursor = box ? 'pointer' : '';
	if (box)
		showTip(flameText(box.node), event);
	else
		hideTip();
});
flameCanvas.addEventListener('pointerleave', hideTip);
flameCanvas.addEventListener('click', event => {
	const box = boxAt(event);
	if (box)
		zoomFlame(box.node);
});

/* The arrows go to what is above, below and beside. */
flameCanvas.addEventListener('keydown', event => {
	const at = flame.boxes.find(box => box.node === flame.focus) || flame.boxes[0];
	const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
	if (step && at) {
		const [down, side] = step;
		const row = flame.boxes.filter(box => box.row === at.row + down);
		const next = down !== 0 ? row.find(box => box.x + box.width > at.x + 0.01) : row[row.indexOf(at) + side];
		if (next)
			flame.focus = next.node;
		byId('flame-said').textContent = flameText(flame.focus).join(', ');
	} else if (event.key === 'Enter') {
		zoomFlame(flame.focus);
	} else if (event.key === 'Escape' && flame.root !== NONE) {
		zoomFlame(NONE);
	} else {
		return;
	}
	event.preventDefault();
	repaint();
});
flameCanvas.addEventListener('focus', repaint);
flameCanvas.addEventListener('blur', repaint);

function startFlame() {
	mergeStacks();
	byId('flame-all').addEventListener('change', refreshFlame);
	selectionWatchers.push(refreshFlame);
	let timer = 0;
	rangeWatchers.push(() => {
		clearTimeout(timer);
		if (view.span === NONE)
			timer = setTimeout(refreshFlame, 120);
	});
	painters.push(paintFlame);
	refreshFlame();
}
