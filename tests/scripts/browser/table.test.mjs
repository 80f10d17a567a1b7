// The console's lists of a large table, plans with meters, and a table without a permission.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { admin, call, open, suite, table } from './stack.mjs';

/** The buckets that are made up. */
const BUCKETS = 3000;

const { stack, chrome, at, on } = await suite();
for (let at = 0; at < BUCKETS; at += 25) {
  const items = Array.from({ length: 25 }, (_, more) => ({
    PutRequest: {
      Item: {
        pk: { S: `BUCKET#demo#client-${String(at + more).padStart(5, '0')}` },
        pv: { S: '1.free' },
      },
    },
  }));
  await table(stack, 'BatchWriteItem', { RequestItems: { tollgate: items } });
}

const progress = (page, text) => page.getByTestId('progress').getByText(text).waitFor();

test('a large list begins with one part, and a search says how far it is', async () => {
  await on('buckets', {}, async (page) => {
    const calls = [];
    page.on('request', (request) => calls.push(new URL(request.url())));
    await page.getByLabel('Keep reading').uncheck();
    await progress(page, "250 of the table's items read, 100 found.");
    assert.equal(await page.locator('.card').count(), 100);
    await page.getByRole('button', { name: 'Look for more' }).click();
    await progress(page, '200 found.');
    assert.equal(await page.locator('.card').count(), 200);

    calls.length = 0;
    await page.getByLabel('Subject or plan').fill('CLIENT-0299');
    await progress(page, 'items read, 10 found: all of it.');
    assert.equal(await page.locator('.card').count(), 10);
    const parts = calls.filter(({ pathname }) => pathname === '/api/buckets');
    const sizes = parts.map((part) => part.searchParams.get('most'));
    assert.deepEqual(sizes, ['250', '500', '1000', '2000']);

    // The claim alone is enough, because the configuration names the issuer.
    for (const exact of ['demo#client-00007', 'client-00007']) {
      calls.length = 0;
      await page.getByLabel('Subject or plan').fill(exact);
      await progress(page, "2 of the table's items read, 1 found.");
      assert.equal(calls.filter(({ pathname }) => pathname === '/api/buckets').length, 1);
      await page.getByRole('button', { name: 'Search the whole table' }).click();
      await progress(page, '1 found: all of it.');
    }

    await page.getByLabel('Subject or plan').fill('nobody at all');
    await page.getByText('Nothing fits the search').waitFor();
  });
});

test('a search is stopped, and goes on where it was', async () => {
  await on('keys', {}, async (page) => {
    await page.getByText('No keys yet').waitFor();
    let held = 0;
    await page.route('**/api/keys?*', async (route) => {
      // The second part takes as long as it takes.
      if (new URL(route.request().url()).searchParams.get('most') === '500' && !held) {
        held += 1;
        await new Promise((resolve) => setTimeout(resolve, 3000));
      }
      await route.continue().catch(() => {});
    });
    await page.getByLabel('Name, id, subject or plan').fill('laptop');
    await progress(page, "250 of the table's items read, 0 found…");
    await page.getByRole('button', { name: 'Stop' }).click();
    await progress(page, "250 of the table's items read, 0 found.");
    await page.getByRole('button', { name: 'Look for more' }).click();
    await progress(page, 'items read, 0 found: all of it.');
  });
});

test('a lost connection is said in a list, and it can be tried again', async () => {
  await on('plans', {}, async (page) => {
    await page.locator('tr', { hasText: 'gold' }).waitFor();
    await page.route('**/api/plans?*', (route) => route.abort());
    await page.getByRole('searchbox').fill('free');
    await page.getByRole('alert').getByText('cannot be reached').waitFor();
    await page.unroute('**/api/plans?*');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('tr', { hasText: 'free' }).waitFor();
    await page.getByRole('alert').waitFor({ state: 'detached' });
  });
});

const METERED = {
  throttle: { rateLimit: 5, burstLimit: 10 },
  quota: { limit: 1000, period: 'DAY', offset: 3 },
  meters: { tokens: { quota: { limit: 5000, period: 'MONTH' } } },
  apiStages: [
    {
      apiId: 'a1b2c3',
      stage: 'prod',
      throttle: { '/orders/GET': { rateLimit: 1, burstLimit: 1 } },
    },
  ],
  failure: { local: '1/10' },
};

test('a plan keeps what no field shows, and its meters have fields', async () => {
  await on('plans', {}, async (page) => {
    await page.getByRole('button', { name: 'New plan…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('metered');
    const json = dialog.getByLabel('JSON');
    // Members that this page has never heard of stay as well.
    const strange = {
      ...METERED,
      quota: { ...METERED.quota, startDay: 1 },
      enforce: false,
      later: [1, { a: null }],
    };
    await json.fill(JSON.stringify(strange));
    await dialog.getByLabel('Burst').first().fill('12');
    await dialog.getByLabel('A day').first().fill('2000');
    await dialog.getByRole('group', { name: 'tokens' }).getByLabel('A month').fill('6000');
    const changed = JSON.parse(await json.inputValue());
    const expected = structuredClone(strange);
    expected.throttle.burstLimit = 12;
    expected.quota.limit = 2000;
    expected.meters.tokens.quota.limit = 6000;
    assert.deepEqual(changed, expected);

    // A field that is emptied and filled again keeps what it does not show.
    await dialog.getByLabel('A day').first().fill('');
    assert.equal(JSON.parse(await json.inputValue()).quota, undefined);
    await dialog.getByLabel('A day').first().fill('2000');
    assert.deepEqual(JSON.parse(await json.inputValue()).quota, expected.quota);

    await json.fill(JSON.stringify(METERED));
    await dialog.getByLabel('Another meter').fill('Tokens!');
    assert.ok(await dialog.getByRole('button', { name: 'Add' }).isDisabled());
    await dialog.getByLabel('Another meter').fill('images');
    await dialog.getByRole('button', { name: 'Add' }).click();
    const images = dialog.getByRole('group', { name: 'images' });
    await images.getByLabel('A month').fill('70');
    await images.getByLabel('Over a limit').selectOption('false');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await page.getByText('stored the plan metered').waitFor();

    const row = page.locator('tr', { hasText: 'metered' });
    await row.getByText('tokens', { exact: true }).waitFor();
    await row.getByRole('button', { name: 'Change…' }).click();
    const stored = JSON.parse(await json.inputValue());
    assert.deepEqual(stored.meters.images, {
      quota: { limit: 70, period: 'MONTH' },
      enforce: false,
    });
    assert.deepEqual(stored.apiStages, METERED.apiStages);
    assert.deepEqual(stored.failure, METERED.failure);
    assert.equal(stored.quota.offset, 3);
    await images.getByRole('button', { name: 'Remove this meter' }).click();
    await dialog.getByRole('button', { name: 'Store' }).click();
    await page.getByText('stored the plan metered, version 2').waitFor();
  });
});

test('a subject shows each meter: gauge, history and grant', async () => {
  await on('assignments', {}, async (page) => {
    await page.getByRole('button', { name: 'Assign…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Subject').fill('demo#spare');
    await dialog.getByLabel('Plan').selectOption('metered');
    await dialog.getByRole('button', { name: 'Assign' }).click();
    await page.getByText('is under metered').waitFor();
    await call(stack, '/orders', { client: 'spare' });
    await page.goto(at('buckets/demo%23spare'));
    await dialog.getByText('5,000 tokens a month').waitFor();
    await dialog.getByLabel('Meter').selectOption('tokens');
    await dialog.getByText('0 tokens in 31 days').waitFor();
    await dialog.getByRole('button', { name: 'Grant more…' }).click();
    await dialog.getByLabel('Amount').fill('77');
    await dialog.getByLabel('Meter').selectOption('tokens');
    assert.equal(await dialog.getByLabel('Period').inputValue(), 'MONTH');
    await dialog.getByText("usage grant 'demo#spare' 77 --by month --meter tokens").waitFor();
    await dialog.getByRole('button', { name: 'Grant' }).click();
    await page.getByText('granted demo#spare 77 tokens, 77 in all').waitFor();
    await dialog.getByText('77 granted').waitFor();
  });
});

/** The table behind a server that denies one action, as AWS does. */
async function denying(action) {
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    if (request.headers['x-amz-target'].endsWith(`.${action}`)) {
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0' });
      const Message =
        `User: arn:aws:iam::123456789012:user/maria is not authorized to perform: ` +
        `dynamodb:${action} on resource: arn:aws:dynamodb:us-east-1:123456789012:table/tollgate`;
      const __type = 'com.amazon.coral.service#AccessDeniedException';
      return response.end(JSON.stringify({ __type, Message }));
    }
    const { host: _, connection: __, ...headers } = request.headers;
    const body = Buffer.concat(parts);
    const answer = await fetch(stack.ready.dynamodb, { method: 'POST', headers, body });
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.0' });
    return response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { ready: { dynamodb: `http://127.0.0.1:${server.address().port}` }, server };
}

test('a missing permission is named with a policy, and other views go on', async () => {
  const denied = await denying('Scan');
  const reader = await admin(denied);
  try {
    const page = await open(chrome, `${reader.ready.console}#buckets`);
    await page.getByRole('alert').getByText('dynamodb:Scan on the table tollgate').waitFor();
    const policy = JSON.parse(await page.getByRole('group', { name: 'Policy' }).innerText());
    assert.deepEqual(policy.Statement[0].Action, ['dynamodb:GetItem', 'dynamodb:Scan']);
    await page.getByRole('button', { name: 'Try again' }).waitFor();
    // An exact subject needs no Scan.
    await page.getByLabel('Subject or plan').fill('demo#client-00007');
    await page.locator('.card', { hasText: 'client-00007' }).waitFor();
    await page.goto(`${new URL(reader.ready.console).origin}/#rules`);
    await page.getByRole('rowheader', { name: 'GET /health' }).waitFor();
    assert.deepEqual(page.faults, []);
    await page.context().close();
  } finally {
    await reader.stop();
    denied.server.close();
  }
});
