// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The calm authors
/*
 * Uses the page as people do, in Chromium without a network: page.mjs DIRECTORY CHROMIUM. The recordings are page_made's.
 * Any request, console message or error of any page is a failure, but where one is provoked to see that it would be.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [, , directory, executablePath] = process.argv;
const { chromium } = createRequire(directory + '/browser/')('playwright-core');
const MS = 1e6;

const browser = await chromium.launch({
	executablePath,
	args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
		'--disable-component-update', '--disable-sync'],
});

/* Opens a page; `trouble` is what it asked for or complained of. Tabs are used again: a new one takes longer than all else. */
const tabs = new Map();

async function newTab(options) {
	const context = await browser.newContext({ offline: true, reducedMotion: 'reduce', ...options });
	const page = await context.newPage();
	page.on('console', message => page.trouble.push('console: ' + message.text()));
	page.on('pageerror', error => page.trouble.push('error: ' + error.stack));
	page.on('request', request => {
		if (!/^(file|data):/.test(request.url()))
			page.trouble.push('request: ' + request.url());
	});
	return page;
}

async function open(what, { hash = '', width = 1200, height = 800, scheme = 'light', touch = false } = {}) {
	const options = { viewport: { width, height }, colorScheme: scheme, hasTouch: touch }, key = JSON.stringify(options);
	const page = tabs.get(key) || await newTab(options);
	tabs.set(key, page);
	await page.goto('about:blank'); /* another hash alone would load nothing */
	page.trouble = [];
	await page.goto(pathToFileURL(`${directory}/${what}.html`) + hash);
	await page.waitForFunction(() => document.documentElement.dataset.ready, null, { timeout: 30000 });
	return page;
}

const untroubled = page => assert.deepEqual(page.trouble, []);

const text = (page, id) => page.locator('#' + id).innerText();
/* The page's own globals, which evaluate() sees. */
const range = page => page.evaluate(() => [view.begin, view.end]);
const frame = page => page.evaluate(() => new Promise(done => requestAnimationFrame(() => setTimeout(done))));
const near = (one, other, slack) => assert.ok(Math.abs(one - other) <= slack, `${one} is not ${other} within ${slack}`);

/* Where a span is on the screen. */
async function whereIs(page, kind, number) {
	await frame(page);
	return page.evaluate(([name, wanted]) => {
		const span = spanOfKey(name + '-' + wanted), box = spanBox(span), canvas = timelineCanvas.getBoundingClientRect();
		return { x: canvas.x + box.x + box.width / 2, y: canvas.y + box.y + box.height / 2 };
	}, [kind, number]);
}

/* All numbers of spans and marks arrived as page_made summed them up. */
async function checkSum(page, what) {
	const sum = await page.evaluate(() => {
		let all = 0n;
		for (let i = 0; i < spans.rows; i++)
			all += BigInt(spans.begin[i]) + BigInt(spans.end[i]) + BigInt(spans.a[i]) + BigInt(spans.b[i]) +
				BigInt(spans.number[i] + spans.thread[i] + spans.end_thread[i] + spans.map[i] + spans.kind[i]);
		for (let i = 0; i < marks.rows; i++)
			all += BigInt(marks.ns[i] + marks.length[i] + marks.count[i]);
		return String(all);
	});
	assert.equal(sum, /sum (\d+)/.exec(readFileSync(`${directory}/${what}.txt`))[1]);
}

const tests = {
	async 'says what was recorded and what was lost'() {
		const page = await open('walks');
		await checkSum(page, 'walks');
		assert.equal(await page.title(), 'calm trace: program an "argument"');
		assert.match(await text(page, 'facts'), /200.ms[^]*4 threads[^]*600 samples of 1.ms[^]*exit 0/);
		assert.match(await text(page, 'lost'), /1.200 events and 3 samples were lost.*<\/script><b> lost 1.200 events/);
		assert.match(await text(page, 'legend'), /traversal\s+25\s[^]*reclaim\s+5\s[^]*stall\s+1\s/);
		assert.equal(await page.locator('b', { hasText: 'hi' }).count(), 0);
		await page.screenshot({ path: `${directory}/trace-1200-light.png` });
		untroubled(page);
	},

	async 'finds the slow reclamation by keyboard alone'() {
		const page = await open('walks');
		const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute('aria-label'));
		const tabTo = async (wanted, most) => {
			for (let i = 0; i < most; i++) {
				await page.keyboard.press('Tab');
				if (wanted.test(await focused()))
					return;
			}
			assert.fail(`Tab does not reach ${wanted}`);
		};
		await tabTo(/^timeline$/, 12);
		await tabTo(/^overlap-kind$/, 3);
		await page.keyboard.type('reclaim');
		await tabTo(/^traversal 14/, 6);
		assert.equal(await focused(), 'traversal 14 (walk of hashmap, walker-1) overlapped reclaim 3 (writer-0) for 5.00\u00a0ms');
		assert.equal(await page.locator('#overlap-list li').count(), 5);
		await page.keyboard.press('Enter');
		assert.match(await text(page, 'details'), /^traversal 14: walk of hashmap/);
		assert.match(await text(page, 'details'), /Overlapped reclaim 3 \(writer-0\) for 5.00.ms, 71 % of its time/);
		assert.match(await page.locator('#said').textContent(), /Selected traversal 14 .*7.00.ms/);
		const [begin, end] = await range(page);
		assert.ok(begin > 100 * MS && begin <= 104 * MS && end >= 111 * MS && end < 115 * MS, `${begin} to ${end}`);
		/* Both are outlined: the pixel above each bar has the accent's colour. */
		await frame(page);
		const outlined = await page.evaluate(() => {
			const { data, width } = pen.getImageData(0, 0, timelineCanvas.width, timelineCanvas.height);
			return [view.span, view.other].map(spanBox).map(box => {
				const at = ((box.y - 1) * width + Math.round(box.x + box.width / 2)) * 4;
				return '#' + [...data.slice(at, at + 3)].map(part => part.toString(16).padStart(2, '0')).join('');
			});
		});
		const accent = await page.evaluate(() => colours.accent);
		assert.deepEqual(outlined, [accent, accent]);
		await page.keyboard.press('ArrowDown');
		assert.match(await focused(), /^traversal \d+ .* for 300.µs$/);
		await page.keyboard.press('+');
		const closer = await range(page);
		near((closer[1] - closer[0]) * 1.5, end - begin, 2);
		await page.keyboard.press('ArrowRight');
		assert.ok((await range(page))[0] > closer[0]);
		await page.keyboard.press('Home');
		assert.deepEqual(await range(page), [0, 200 * MS]);
		await page.keyboard.press('Escape');
		assert.match(await text(page, 'details'), /Nothing is selected/);
		await page.keyboard.press('?');
		assert.ok(await page.locator('#help').isVisible());
		await page.keyboard.press('Escape');
		assert.ok(!await page.locator('#help').isVisible());
		untroubled(page);
	},

	async 'zooms at the pointer, and drags'() {
		const page = await open('walks');
		const { x, y } = await whereIs(page, 'traversal', 10);
		const under = () => page.evaluate(at => nsOf(at - timelineCanvas.getBoundingClientRect().x), x);
		const before = await under();
		await page.mouse.move(x, y);
		await page.mouse.wheel(0, -600);
		await page.waitForFunction(() => view.end - view.begin < duration / 2);
		near(await under(), before, 0.2 * MS);
		const held = await under(), [begin] = await range(page);
		await page.mouse.down();
		await page.mouse.move(x - 60, y, { steps: 4 });
		await page.mouse.move(x - 150, y, { steps: 4 });
		await page.mouse.up();
		assert.ok((await range(page))[0] > begin);
		const moved = await page.evaluate(at => nsOf(at - timelineCanvas.getBoundingClientRect().x), x - 150);
		near(moved, held, 0.5 * MS);
		assert.match(await text(page, 'details'), /Nothing is selected/, 'a drag is no click');
		untroubled(page);
	},

	async 'tells and selects what is pointed at'() {
		const page = await open('walks');
		const { x, y } = await whereIs(page, 'reclaim', 3);
		await page.mouse.move(x, y);
		assert.match(await text(page, 'tip'), /reclaim 3 \(writer-0\)\s+5.00.ms\s+waiting: 4.096 pointers/);
		assert.match(await text(page, 'tip'), /released: 4.000 pointers/);
		await page.mouse.click(x, y);
		assert.match(await text(page, 'details'), /reclaim 3\s+lasted\s+5.00.ms \(the longest of 5; median 300.µs\)/);
		assert.match(await text(page, 'details'), /Meanwhile: 1 traversal \(5.00.ms\), 2 snapshots/);
		await page.getByRole('button', { name: /traversal 14, walker-1/ }).click();
		assert.match(await text(page, 'details'), /^traversal 14/);
		untroubled(page);
	},

	async 'searches spans and functions'() {
		const page = await open('walks');
		await page.keyboard.press('/');
		await page.keyboard.type('writer-0 reclaim');
		await page.keyboard.press('Enter');
		assert.equal(await text(page, 'hits'), '1 of 5 spans');
		assert.match(await text(page, 'details'), /^reclaim 1/);
		await page.keyboard.press('n');
		await page.keyboard.press('n');
		assert.match(await text(page, 'details'), /^reclaim 3/);
		await page.keyboard.press('N');
		assert.match(await text(page, 'details'), /^reclaim 2/);
		await page.keyboard.press('/');
		await page.keyboard.type('traversal 14');
		await page.keyboard.press('Enter');
		assert.equal(await text(page, 'hits'), '1 of 1 span');
		assert.match(await text(page, 'details'), /^traversal 14/);
		await page.keyboard.press('/');
		await page.keyboard.type('calm_map_store');
		await page.keyboard.press('Enter');
		assert.match(await text(page, 'hits'), /^\d+ of 334 samples$/);
		const marked = await page.evaluate(() => functions.filter((each, of) => functionHits[of]).map(({ name }) => name));
		assert.deepEqual(marked, ['calm_map_store']);
		await page.keyboard.press('/');
		await page.keyboard.type('nowhere');
		await page.waitForFunction(() => document.getElementById('hits').textContent === '0 spans');
		assert.ok(await page.locator('#next').isDisabled());
		untroubled(page);
	},

	async 'draws the flame graph of the selected span'() {
		const page = await open('walks');
		assert.match(await text(page, 'flame-note'), /^600 samples of 1.ms in the visible range/);
		await page.evaluate(() => select(spanOfKey('traversal-14')));
		assert.match(await text(page, 'flame-note'), /^7 samples of 1.ms during traversal 14, walker-1: too few to mean anything/);
		await page.getByRole('checkbox', { name: 'all threads' }).check();
		assert.match(await text(page, 'flame-note'), /^22 samples .* all threads: few/);
		await page.keyboard.press('Escape');
		await page.locator('summary').click();
		const shares = await page.locator('#functions td:first-child').allInnerTexts();
		assert.equal(shares.reduce((sum, share) => sum + Number(share), 0), 594, 'six of 600 have no stack');
		/* The second row is main, of which all that have a stack are part. */
		const box = await page.locator('#flame').boundingBox();
		await page.mouse.move(box.x + 40, box.y + 27);
		assert.match(await text(page, 'tip'), /^main\s[^]*594 samples, 99.0 %/);
		const child = await page.evaluate(() => flame.boxes.find(each => each.row === 2));
		await page.mouse.click(box.x + child.x + 5, box.y + 45);
		assert.equal(await page.evaluate(() => flame.root), child.node);
		await frame(page);
		assert.equal(await page.evaluate(() => flame.boxes.find(each => each.node === flame.root).width), box.width);
		await page.locator('#flame').focus();
		await page.keyboard.press('ArrowUp');
		assert.match(await page.locator('#flame-said').textContent(), /^main, .*594 samples/);
		await page.keyboard.press('Escape');
		assert.equal(await page.evaluate(() => flame.root), -1);
		untroubled(page);
	},

	async 'filters and sorts the overlaps'() {
		const page = await open('walks');
		const labels = () => page.locator('#overlap-list button').evaluateAll(all =>
			all.map(each => each.getAttribute('aria-label')));
		assert.match((await labels()).at(-1), /, in another map$/, 'other maps come last');
		await page.locator('#overlap-order').selectOption('time');
		assert.match((await labels())[0], /^traversal 3 .* reclaim 1 /);
		await page.locator('#overlap-visible').check();
		await page.evaluate(() => setRange(100e6, 115e6));
		await page.waitForFunction(() => document.getElementById('overlap-list').children.length === 1);
		assert.match((await labels())[0], /reclaim 3 /);
		assert.equal(await text(page, 'overlap-count'), '1 of 14');
		untroubled(page);
	},

	async 'a link leads to the same view'() {
		const first = await open('walks');
		await first.locator('#overlap-kind').selectOption({ label: 'reclaim (5)' });
		await first.locator('#overlap-list button').first().click();
		await first.waitForFunction(() => /with=/.test(location.hash));
		const hash = await first.evaluate(() => location.hash), seen = await range(first);
		assert.match(hash, /^#range=\d+-\d+&span=traversal-14&with=reclaim-3$/);
		untroubled(first);
		const second = await open('walks', { hash, scheme: 'dark' });
		near((await range(second))[0], seen[0], 1);
		near((await range(second))[1], seen[1], 1);
		assert.match(await text(second, 'details'), /^traversal 14[^]*Overlapped reclaim 3/);
		await frame(second);
		await second.screenshot({ path: `${directory}/trace-1200-dark.png` });
		await second.evaluate(() => { location.hash = '#span=reclaim-5'; });
		await second.waitForFunction(() => /^reclaim 5/.test(document.getElementById('details').innerText));
		await second.evaluate(() => { location.hash = '#range=9-3&span=nothing-1&with=%'; });
		await second.waitForFunction(() => /Nothing is selected/.test(document.getElementById('details').innerText));
		untroubled(second);
	},

	async 'fits a narrow screen, and two fingers zoom'() {
		for (const scheme of ['light', 'dark']) {
			const hash = '#span=traversal-14&with=reclaim-3';
			const page = await open('walks', { width: 390, height: 800, touch: true, scheme, hash });
			const wide = await page.evaluate(() => document.documentElement.scrollWidth);
			assert.ok(wide <= 390, `${wide} px wide`);
			const { x, y } = await whereIs(page, 'traversal', 14);
			const [begin, end] = await range(page), session = await page.context().newCDPSession(page);
			const touch = (type, apart) => session.send('Input.dispatchTouchEvent', {
				type, touchPoints: apart === undefined ? [] : [{ x: x - apart, y }, { x: x + apart, y }],
			});
			await touch('touchStart', 20);
			for (const apart of [25, 35, 45, 60])
				await touch('touchMove', apart);
			await touch('touchEnd');
			await page.waitForFunction(length => view.end - view.begin < length * 0.6, end - begin);
			await page.screenshot({ path: `${directory}/trace-390-${scheme}.png`, fullPage: true });
			await page.locator('#overlap-list button').nth(1).tap();
			assert.ok(await page.evaluate(() => timelineBox.getBoundingClientRect().top >= 0), 'the timeline is out of sight');
			untroubled(page);
		}
	},

	async 'says what is missing'() {
		const empty = await open('empty');
		assert.match(await text(empty, 'absent'), /No events: [^]*No samples, so no flame graph/);
		assert.match(await text(empty, 'details'), /nothing to select/);
		assert.match(await text(empty, 'overlap-none'), /No traversal/);
		for (const key of ['+', 'ArrowLeft', 'Home', 'n'])
			await empty.keyboard.press(key);
		untroubled(empty);
		const silent = await open('silent');
		assert.match(await text(silent, 'flame-note'), /has no samples/);
		assert.ok(!/No events/.test(await text(silent, 'absent')));
		assert.ok(!await silent.locator('#lost').isVisible());
		await checkSum(silent, 'silent');
		assert.equal(await silent.evaluate(() => Math.max(...spans.a)), 2 ** 52 - 1, 'the largest number');
		untroubled(silent);
	},

	async 'can be read: contrast'() {
		for (const scheme of ['light', 'dark']) {
			const page = await open('empty', { scheme });
			const poor = await page.evaluate(() => {
				const shine = name => {
					const hex = colours[name] || getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
					const full = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, '$&$&') : hex;
					const parts = [1, 3, 5].map(at => parseInt(full.slice(at, at + 2), 16) / 255)
						.map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
					return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
				};
				const contrast = (one, other) => {
					const [low, high] = [shine(one), shine(other)].sort((x, y) => x - y);
					return (high + 0.05) / (low + 0.05);
				};
				const texts = ['back', 'panel'].flatMap(on => [['text', on], ['dim', on], ['accent', on], ['reclaim', on]]);
				texts.push(['warn-text', 'warn'], ['warn-text', 'back'], ['text', 'band'], ['on-hit', 'hit']);
				for (const kind of ['traversal', 'reclaim', 'resize', 'copy', 'compaction', 'stall'])
					texts.push(['on-bar', kind]);
				for (const look of ['program', 'calm', 'library', 'kernel'])
					texts.push(['frame-text', 'frame-' + look]);
				const graphics = [...KIND_COLOURS, 'burst', 'sample', 'hit'].map(name => [name, 'back']);
				return [...texts.filter(pair => contrast(...pair) < 4.5), ...graphics.filter(pair => contrast(...pair) < 2.9)]
					.map(pair => pair.join(' on ') + ' ' + contrast(...pair).toFixed(2));
			});
			assert.deepEqual(poor, [], scheme);
			const unnamed = await page.locator('button, input, select').evaluateAll(all => all.filter(each =>
				!each.labels?.length && !each.getAttribute('aria-label') && !each.innerText.trim()).map(each => each.outerHTML));
			assert.deepEqual(unnamed, [], 'without a name');
			untroubled(page);
		}
	},

	async 'lets nothing in from outside'() {
		const page = await open('empty');
		const got = await page.evaluate(() => new Promise(done => {
			const broken = [];
			document.addEventListener('securitypolicyviolation', event => {
				broken.push(event.effectiveDirective);
				if (broken.length === 3)
					done({ broken, ran: window.ran === true });
			});
			const script = document.createElement('div');
			script.innerHTML = '<img src="x" onerror="window.ran = true"><img src="http://localhost:1/x">';
			document.body.append(script);
			const inline = document.createElement('script');
			inline.textContent = 'window.ran = true';
			document.body.append(inline);
			setTimeout(() => done({ broken, ran: window.ran === true }), 2000);
		}));
		assert.equal(got.ran, false);
		assert.ok(got.broken.includes('img-src'), String(got.broken));
		assert.ok(got.broken.some(each => /script/.test(each)), String(got.broken));
		assert.ok(page.trouble.length > 0, 'and this test would have seen it');
		page.trouble.length = 0;
		untroubled(page);
	},

	async 'a million spans and marks'() {
		const began = Date.now();
		const page = await open('million');
		const ready = await page.evaluate(() => Number(document.documentElement.dataset.ready));
		const loaded = Date.now() - began;
		const frames = {};
		for (const closer of [1, 10, 1000]) {
			frames[closer] = await page.evaluate(async factor => {
				setRange(duration / 3, duration / 3 + duration / factor);
				const gaps = [], paints = [];
				let last = 0;
				for (let i = 0; i < 30; i++) {
					if (factor === 1)
						zoom(i % 2 ? 0.98 : 1 / 0.98);
					else
						pan(0.03);
					await new Promise(next => requestAnimationFrame(now => {
						if (last)
							gaps.push(now - last);
						last = now;
						paints.push(paintTimeline.took);
						next();
					}));
				}
				const most = all => all.sort((x, y) => x - y)[Math.floor(all.length * 0.95)].toFixed(1);
				const middle = all => all.sort((x, y) => x - y)[all.length >> 1].toFixed(1);
				return `frame ${middle(gaps)} ms (95 %: ${most(gaps)}), of which drawing ${middle(paints)} (${most(paints)})`;
			}, closer);
		}
		console.log(`  opened in ${loaded} ms, ready ${ready} ms after navigation`);
		for (const [closer, said] of Object.entries(frames))
			console.log(`  1/${closer} of it visible: ${said}`);
		assert.ok(loaded < 10000);
		await checkSum(page, 'million');
		assert.equal(await page.locator('#overlap-list li').count(), 201);
		await page.locator('[data-more]').click();
		assert.equal(await page.locator('#overlap-list li').count(), 401);
		await page.screenshot({ path: `${directory}/trace-million.png` });
		untroubled(page);
	},
};

let failed = 0;

async function run([name, test]) {
	const began = Date.now();
	try {
		await test();
		console.log(`ok: ${name}, ${Date.now() - began} ms`);
	} catch (error) {
		failed++;
		console.log(`FAILED: ${name}\n${error.stack}`);
	}
}

for (const entry of Object.entries(tests))
	await run(entry);
await browser.close();
process.exit(failed > 0 ? 1 : 0);
