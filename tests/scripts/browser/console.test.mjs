// The console of `tollgate-local` in a real browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { admin, call, local, open, suite, visit } from './stack.mjs';

const { stack, chrome, at, on, origin } = await suite();

const READER = { client: 'reader' };

test('the printed address shows requests, and its token leaves it', async () => {
  await visit(chrome, stack.ready.console, {}, async (page) => {
    await page.getByRole('heading', { name: 'Requests', level: 1 }).waitFor();
    assert.equal(new URL(page.url()).search, '');
    const paint = await page.evaluate(
      () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
    );
    console.log(`# first contentful paint after ${Math.round(paint)} ms`);
    // Another start of the page knows the cookie.
    await page.goto(`${origin}/#plans`);
    await page.getByRole('heading', { name: 'Plans', level: 1 }).waitFor();
  });
});

test('a live request appears, and its detail has checks, rules, policy and times', async () => {
  await on('requests', {}, async (page) => {
    await page.getByText('Live', { exact: true }).waitFor();
    assert.equal(await call(stack, '/orders/live', READER), 200);
    const row = page.locator('tr', { hasText: '/orders/live' });
    await row.waitFor({ timeout: 5000 });
    assert.match(await row.innerText(), /200[\s\S]*reader[\s\S]*free/);
    await row.focus();
    await page.keyboard.press('Enter');
    const detail = page.getByRole('dialog');
    await detail.getByText('GET/orders/live').first().waitFor();
    const text = await detail.innerText();
    for (const part of [
      'REST TOKEN',
      'revocation',
      'readers',
      'allowed',
      'authorizer',
      'for table',
      'demo#',
    ]) {
      assert.ok(text.includes(part), `${part} in\n${text}`);
    }
    assert.equal(await detail.locator('.policy .match.good').count(), 1);
    assert.equal(await detail.locator('.checks .good').count(), 9);
    assert.doesNotMatch(await detail.innerHTML(), /eyJ[\w-]+\.eyJ/, 'no token');
    await page.keyboard.press('Escape');
    await detail.waitFor({ state: 'detached' });
  });
});

test('a refusal says where the checks stopped, and filters find it', async () => {
  await on('requests', {}, async (page) => {
    assert.equal(await call(stack, '/orders/refused', READER, 'DELETE'), 403);
    const answer = await fetch(`${stack.ready.api}/orders/broken`, {
      headers: { authorization: 'Bearer eyJ.e30.x' },
    });
    assert.equal(answer.status, 401);
    await page.locator('tr', { hasText: '/orders/broken' }).waitFor();
    await page.getByLabel('Status', { exact: true }).selectOption('403');
    await page.locator('tr', { hasText: '/orders/broken' }).waitFor({ state: 'detached' });
    await page.locator('tbody tr', { hasText: '/orders/refused' }).click();
    const detail = page.getByRole('dialog');
    await detail.locator('.checks li.bad', { hasText: 'rules' }).waitFor();
    assert.match(await detail.locator('.rules').innerText(), /writers/);
  });
});

test('a bucket empties and refills without a read', async () => {
  await on('buckets', {}, async (page) => {
    for (let sent = 0; sent < 8; sent += 1)
      await call(stack, '/orders/bucket', { client: 'writer' });
    const card = page.locator('.card', { hasText: 'demo#writer' });
    await card.waitFor();
    await page.getByLabel('Keep reading').uncheck();
    await page.getByRole('button', { name: 'Read again' }).click();
    await page.waitForTimeout(300);
    const left = async () =>
      Number(await card.locator('[data-left]').first().getAttribute('data-left'));
    const first = await left();
    assert.ok(first < 9, `${first}`);
    await page.waitForTimeout(1500);
    const second = await left();
    assert.ok(second > first + 1 && second < first + 3, `${first} became ${second}`);
  });
});

test('a plan that is changed in the page is enforced, and undone', async () => {
  await on('plans', {}, async (page) => {
    await page.getByRole('button', { name: 'New plan…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('once');
    await dialog.getByLabel('JSON').fill('{"throttle":{"rateLimit":"1/h","burstLimit":1}}');
    await dialog.getByText('tollgate plan put once - --if-version 0').waitFor();
    await dialog.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('status').getByText('stored the plan').waitFor();
    await page.goto(at('assignments'));
    await page.getByRole('button', { name: 'Assign…' }).click();
    await dialog.getByLabel('Subject').fill('demo#alice-sub');
    await dialog.getByLabel('Plan').selectOption('once');
    await dialog.getByRole('button', { name: 'Assign' }).click();
    await page.getByRole('status').getByText('is under once').waitFor();
    const statuses = [];
    for (let sent = 0; sent < 3; sent += 1)
      statuses.push(await call(stack, '/orders', { user: 'alice' }));
    assert.ok(statuses.includes(429), `${statuses}`);
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('status').getByText('is assigned nothing now').waitFor();
    await page.getByText('No assignments yet').waitFor();
  });
});

test('two tabs that change one plan: the second learns of the conflict', async () => {
  const [first, second] = [await open(chrome, at('plans')), await open(chrome, at('plans'))];
  for (const page of [first, second]) {
    const row = page.locator('tr', { hasText: 'gold' });
    await row.getByRole('button', { name: 'Change…' }).click();
  }
  const store = async (page, burst) => {
    await page.getByLabel('Burst').fill(burst);
    await page.getByRole('dialog').getByRole('button', { name: 'Store' }).click();
  };
  await store(first, '301');
  await first.getByText('stored the plan gold').waitFor();
  await store(second, '302');
  await second.getByRole('alert').getByText('meanwhile').waitFor();
  await first.getByRole('button', { name: 'Undo' }).click();
  await first.getByText('version 3').waitFor();
  for (const page of [first, second]) await page.context().close();
});

test('a key is shown once, and its hostile name stays text', async () => {
  await on('keys', {}, async (page) => {
    const hostile = '<img src=x onerror="window.hacked=1"><b>bold</b>\u202Etxt';
    await page.getByRole('button', { name: 'New key…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill(hostile);
    await dialog.getByRole('button', { name: 'Create' }).click();
    const key = await page.getByTestId('new-key').innerText();
    assert.match(key, /^tg_live_[0-9a-f]{72}$/);
    await page.keyboard.press('Escape');
    const row = page.locator('tbody tr', { hasText: 'img src' });
    await row.waitFor();
    assert.ok(!(await page.content()).includes(key), 'the key is gone');
    assert.equal(await row.locator('img, b b').count(), 0);
    assert.match(await row.locator('bdi').first().getAttribute('title'), /\\u202etxt$/);
    await row.getByRole('button', { name: 'Disable…' }).click();
    await dialog.getByRole('button', { name: 'Disable' }).click();
    await row.getByText('disabled').waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await row.getByText('enabled').waitFor();
    assert.equal(await page.evaluate(() => window.hacked), undefined);
  });
});

test('a hostile user, route and subject stay text', async () => {
  await on('requests', {}, async (page) => {
    const path = encodeURI('/orders/<svg onload=window.hacked=1>\u202E');
    assert.equal(await call(stack, path, { client: '<b>bold</b>\u202Etxt' }), 200);
    const row = page.locator('tbody tr', { hasText: 'onload' });
    await row.waitFor();
    assert.match(await row.innerText(), /<b>bold<\/b>\\u202etxt/);
    await row.click();
    await page.getByRole('dialog').getByText('Checks').waitFor();
    assert.equal(await page.locator('dialog b', { hasText: /^bold$/ }).count(), 0);
    assert.equal(
      await call(stack, '/orders', { user: '<img src=x onerror=window.hacked=1>\u202Eevil' }),
      200,
    );
    await page.goto(at('buckets'));
    const card = page.locator('.card', { hasText: 'script' });
    await card.waitFor();
    await card.getByRole('link').click();
    await page.getByRole('dialog').getByText('History').waitFor();
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.locator('main img, main svg[onload], main script').count(), 0);
  });
});

test('a lost connection is said, and the stream comes back', async () => {
  await on('requests', {}, async (page) => {
    await page.route('**/api/requests', (route) => route.abort());
    await page.reload();
    await page.getByText('Connection lost: trying again').waitFor();
    await page.unroute('**/api/requests');
    await page.getByText('Live', { exact: true }).waitFor();
    assert.equal(await call(stack, '/orders/back', READER), 200);
    await page.locator('tr', { hasText: '/orders/back' }).waitFor();
  });
  const ended = await local();
  const page = await open(chrome, ended.ready.console);
  await page.getByText('Live', { exact: true }).waitFor();
  await ended.stop();
  await page.getByText('Connection lost: trying again').waitFor();
  await page.context().close();
});

test('a page that nobody sees leaves its stream, and one too many says so', async () => {
  await on('requests', {}, async (page) => {
    await page.getByText('Live', { exact: true }).waitFor();
    // Fifteen others, beside this page's own.
    const [{ name, value }] = await page.context().cookies();
    const headers = { cookie: `${name}=${value}` };
    const abort = new AbortController();
    const others = Array.from({ length: 15 }, () =>
      fetch(`${origin}/api/requests`, { headers, signal: abort.signal }),
    );
    await Promise.all(others);
    const late = await open(chrome, at('requests'));
    await late.getByText('Too many pages follow the requests: close one').waitFor();
    const hide = (isHidden) =>
      page.evaluate((hidden) => {
        Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event('visibilitychange'));
      }, isHidden);
    await hide(true);
    await late.getByText('Live', { exact: true }).waitFor();
    await late.context().close();
    abort.abort();
    await hide(false);
    assert.equal(await call(stack, '/orders/seen-again', READER), 200);
    await page.locator('tr', { hasText: '/orders/seen-again' }).waitFor();
  });
});

test('a deployed table is read-only unless writes are allowed', async () => {
  const reader = await admin(stack);
  try {
    const page = await open(chrome, `${reader.ready.console}#plans`);
    await page.getByText('read-only').waitFor();
    assert.equal(await page.getByRole('link', { name: 'Try it' }).count(), 0);
    const row = page.locator('tr', { hasText: 'gold' });
    await row.getByRole('button', { name: 'Change…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('tollgate plan put gold -').waitFor();
    assert.ok(await dialog.getByRole('button', { name: 'Store' }).isDisabled());
    const refused = await page.evaluate(async () => {
      const change = { do: 'plan_delete', id: 'gold', version: 1 };
      const answer = await fetch('/api/change', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-tollgate-console': '1' },
        body: JSON.stringify({ change }),
      });
      return [answer.status, (await answer.json()).error];
    });
    assert.equal(refused[0], 403);
    assert.match(refused[1], /--allow-writes/);
    await page.context().close();
  } finally {
    await reader.stop();
  }
});

test('under a high load the page says that it shows a sample', async () => {
  await on('plans', {}, async (page) => {
    const event = (total, shown, requests) =>
      `data: ${JSON.stringify({ total, shown, requests })}\n\n`;
    const one = { at: Date.now(), method: 'GET', path: '/busy', api: 'REST API' };
    const status = { status: 200, caller: 'a', isVerified: true, remaining: null, tookUs: 900 };
    const all = Array.from({ length: 50 }, (_, at) => ({ id: at + 1, ...one, ...status }));
    const body = event(10, 0, []) + event(1010, 50, all);
    const headers = { 'content-type': 'text/event-stream' };
    await page.route('**/api/requests', (route) => route.fulfill({ headers, body }));
    await page.goto(at('requests'));
    await page.reload();
    await page.getByText('1,000 requests a second: a sample of 50 is shown').waitFor();
    await page.locator('tr', { hasText: '/busy' }).first().waitFor();
    // Drawing takes time from the gateway, and nobody reads fifty rows a second.
    assert.equal(await page.locator('tr', { hasText: '/busy' }).count(), 30);
    await page.getByText('The latest 30 of 50 are shown.').waitFor();
  });
});
