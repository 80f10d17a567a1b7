// The console without a mouse, on narrow pages and for screen readers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { AXE, call, suite } from './stack.mjs';

const { stack, on } = await suite();
await call(stack, '/orders', { client: 'reader' });

const VIEWS = [
  'requests',
  'buckets',
  'plans',
  'keys',
  'assignments',
  'revocations',
  'rules',
  'try',
];

for (const scheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    test(`every view fits ${width} pixels and axe finds nothing serious, ${scheme}`, async () => {
      const axe = readFileSync(AXE, 'utf8');
      for (const view of VIEWS) {
        await on(view, { width, scheme }, async (page) => {
          await page.locator('h1').waitFor();
          await page.waitForTimeout(400);
          const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(over <= 0, `${view}: ${over} pixels too wide`);
          await page.evaluate(axe);
          const { violations } = await page.evaluate(() => window.axe.run());
          const serious = violations.filter((it) => ['serious', 'critical'].includes(it.impact));
          const told = serious.map(
            (it) =>
              `${it.id}: ${it.nodes
                .map((node) => node.html)
                .slice(0, 3)
                .join(' ')}`,
          );
          assert.deepEqual(told, [], view);
        });
      }
    });
  }
}

/** What has the focus: its name, and whether the page shows that. */
const focused = (page) =>
  page.evaluate(() => {
    const { activeElement: at } = document;
    const outline = getComputedStyle(at).outlineStyle;
    return {
      text: (at.ariaLabel || at.placeholder || at.innerText || at.tagName).trim().slice(0, 60),
      isVisible: outline !== 'none' || at.matches('.skip'),
      isBody: at === document.body,
    };
  });

for (const view of VIEWS) {
  test(`Tab reaches every control of ${view} in order, and shows where it is`, async () => {
    await on(view, {}, async (page) => {
      await page.locator('h1').waitFor();
      await page.waitForTimeout(400);
      const controls = await page
        .locator('main :is(button, input, select, textarea, a, [tabindex="0"]):not(:disabled)')
        .count();
      const seen = [];
      for (let tabs = 0; tabs < controls + 20; tabs += 1) {
        await page.keyboard.press('Tab');
        const at = await focused(page);
        if (at.isBody) break;
        assert.ok(at.isVisible, `${view}: ${at.text} has no outline`);
        seen.push(await page.evaluate(() => Boolean(document.activeElement.closest('main'))));
      }
      assert.equal(seen.filter(Boolean).length, controls, `${view}: ${seen}`);
      assert.ok(seen.lastIndexOf(false) < seen.indexOf(true), 'the view comes after the list');
    });
  });
}

test('the skip link leads to the view', async () => {
  await on('plans', {}, async (page) => {
    await page.locator('h1').waitFor();
    await page.keyboard.press('Tab');
    assert.equal((await focused(page)).text, 'Skip to the view');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  });
});

for (const [view, name] of [
  ['requests', null],
  ['buckets', null],
  ['plans', 'Change…'],
  ['keys', 'New key…'],
  ['assignments', 'Assign…'],
  ['revocations', 'Revoke…'],
]) {
  test(`Enter opens a dialog of ${view}, the focus stays in it, and Escape closes it`, async () => {
    await on(view, {}, async (page) => {
      const opener = name
        ? page.getByRole('button', { name }).first()
        : page.locator(view === 'buckets' ? '.card a' : 'tbody tr').first();
      await opener.waitFor();
      if (view === 'buckets') await page.getByLabel('Keep reading').uncheck();
      await opener.focus();
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor();
      for (let tabs = 0; tabs < 40; tabs += 1) {
        await page.keyboard.press('Tab');
        const isOutside = await page.evaluate(
          () => document.activeElement.closest('#app') && !document.activeElement.closest('dialog'),
        );
        assert.ok(!isOutside, `${view}: the focus left the dialog`);
      }
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      const isBack = await opener.evaluate((one) => one === document.activeElement);
      assert.ok(isBack, `${view}: the focus is back at its place`);
    });
  });
}

test('a change and its undo need no mouse', async () => {
  await on('plans', {}, async (page) => {
    const isFocused = (name) =>
      page.getByRole('button', { name }).evaluate((one) => one === document.activeElement);
    await page.getByRole('button', { name: 'New plan…' }).focus();
    await page.keyboard.press('Enter');
    await page.getByLabel('Name').waitFor();
    await page.keyboard.type('by-hand');
    await page.getByText('plan put by-hand').waitFor();
    await page.keyboard.press('Enter');
    await page.getByText('stored the plan by-hand').waitFor();
    assert.ok(await isFocused('New plan…'), 'the focus is back');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    assert.ok(await isFocused('Undo'));
    // It waits for as long as it has the focus.
    await page.waitForTimeout(13_000);
    await page.keyboard.press('Enter');
    await page.getByText('deleted the plan by-hand').waitFor();
    assert.ok(await isFocused('Undo'), 'the focus stays');
  });
});
