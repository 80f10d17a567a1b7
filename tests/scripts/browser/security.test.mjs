// Who may use the console: the token, the host, the origin, and the policy of its pages.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { beside, open, suite } from './stack.mjs';

const { stack, chrome, origin } = await suite();

/** One HTTP request with any `Host` that a browser would not let a page choose. */
function raw(path, { headers = {}, method = 'GET', body } = {}) {
  const url = new URL(origin);
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { host: url.hostname, port: url.port, path, method, headers },
      (answer) => {
        let text = '';
        answer.on('data', (data) => (text += data));
        answer.on('end', () =>
          resolve({ status: answer.statusCode, headers: answer.headers, text }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** The cookie that the printed address gives. */
async function cookie() {
  const { headers } = await raw(`/${new URL(stack.ready.console).search}`);
  const [text] = headers['set-cookie'];
  assert.match(text, /HttpOnly/);
  assert.match(text, /SameSite=Strict/);
  return text.split(';')[0];
}

test('without the token there is nothing', async () => {
  const page = await (await chrome.newContext()).newPage();
  const answer = await page.goto(`${origin}/`);
  assert.equal(answer.status(), 401);
  await page.getByText('Open the address that was printed').waitFor();
  for (const path of ['/api/about', '/api/plans', '/api/requests', '/api/keys']) {
    assert.equal((await raw(path)).status, 401, path);
  }
  const wrong = { cookie: `${(await cookie()).split('=')[0]}=0123456789` };
  assert.equal((await raw('/api/about', { headers: wrong })).status, 401);
});

test('a foreign host, a foreign origin and a plain form are refused', async () => {
  const known = { cookie: await cookie() };
  assert.equal((await raw('/api/about', { headers: known })).status, 200);
  for (const host of [
    'evil.example',
    `evil.example:${new URL(origin).port}`,
    '127.0.0.1',
    '127.0.0.1:1',
  ]) {
    const answer = await raw('/api/about', { headers: { ...known, host } });
    assert.equal(answer.status, 403, host);
    assert.equal((await raw('/', { headers: { host } })).status, 403, host);
  }
  for (const from of [
    'https://evil.example',
    'null',
    'http://127.0.0.1:1',
    `${origin}.evil.example`,
  ]) {
    const answer = await raw('/api/about', { headers: { ...known, origin: from } });
    assert.equal(answer.status, 403, from);
  }
  const change = JSON.stringify({
    change: { do: 'plan_put', id: 'x', json: '{"unlimited":true}', version: 0 },
  });
  const json = { ...known, 'content-type': 'application/json' };
  const form = await raw('/api/change', { method: 'POST', headers: json, body: change });
  assert.equal(form.status, 403);
  const cross = { ...json, 'x-tollgate-console': '1', 'sec-fetch-site': 'cross-site' };
  assert.equal(
    (await raw('/api/change', { method: 'POST', headers: cross, body: change })).status,
    403,
  );
  const plans = JSON.parse((await raw('/api/plans', { headers: known })).text);
  assert.ok(
    plans.items.every((plan) => plan.id !== 'x'),
    'nothing was written',
  );
});

test('a page of another origin can neither read nor write', async () => {
  const page = await open(chrome, stack.ready.console);
  // The same browser with the cookie, on a page of the API's origin.
  await page.goto(`${stack.ready.api}/health`);
  const seen = await page.evaluate(async (console) => {
    const read = await fetch(`${console}/api/about`, { credentials: 'include' }).then(
      () => 'read',
      () => 'refused',
    );
    const written = await fetch(`${console}/api/trial/rotate`, {
      method: 'POST',
      credentials: 'include',
      headers: { 'x-tollgate-console': '1', 'content-type': 'application/json' },
      body: '{"drop":true}',
    }).then(
      () => 'written',
      () => 'refused',
    );
    return [read, written];
  }, origin);
  assert.deepEqual(seen, ['refused', 'refused']);
  await page.context().close();
});

test('responses have a policy without inline scripts', async () => {
  const { headers } = await raw('/');
  const policy = headers['content-security-policy'];
  assert.match(policy, /script-src 'self'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['x-frame-options'], 'DENY');
});

test('the assets are small, and none comes from elsewhere', async () => {
  const folders = ['assets', 'vendor'].map((name) => beside(`../../../infra/console/${name}`));
  const files = folders.flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`));
  const served = files.filter((file) => /\.(js|css|html|svg)$/.test(file));
  const sizes = served.map((file) => gzipSync(readFileSync(file)).length);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`# ${served.length} assets, ${bytes} bytes compressed`);
  assert.ok(served.length > 20 && bytes <= 300_000, `${bytes}`);
  const page = await (await chrome.newContext()).newPage();
  const origins = new Set();
  page.on('request', (request) => origins.add(new URL(request.url()).origin));
  await page.goto(stack.ready.console);
  await page.locator('nav').waitFor();
  assert.deepEqual([...origins], [origin]);
  await page.context().close();
});
