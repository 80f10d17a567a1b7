// Takes the pictures of infra/console/README.md: node screenshots.mjs FOLDER

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { browser, call, local, open, table } from './stack.mjs';

const folder = process.argv[2];
mkdirSync(folder, { recursive: true });
const [stack, chrome] = await Promise.all([local(), browser()]);
const at = (view) => `${stack.ready.console}#${view}`;

async function shoot(name, view, options, prepare = async () => {}) {
  const page = await open(chrome, at(view), { height: 800, ...options });
  await page.waitForTimeout(700);
  await prepare(page);
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await page.context().close();
  console.log(`${name}.png`);
}

/** A change by the page's own call. */
async function change(page, body) {
  await page.evaluate(
    (change) =>
      fetch('/api/change', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-tollgate-console': '1' },
        body: JSON.stringify({ change }),
      }),
    body,
  );
}

try {
  const page = await open(chrome, stack.ready.console);
  const plan = {
    throttle: { rateLimit: 2, burstLimit: 12 },
    quota: { limit: 40, period: 'DAY' },
    meters: { tokens: { quota: { limit: 500000, period: 'MONTH' } } },
  };
  await change(page, { do: 'plan_put', id: 'team', json: JSON.stringify(plan), version: 0 });
  await change(page, { do: 'subject_assign', subject: 'demo#acme', plan: 'gold', version: 0 });
  for (const user of ['writer', 'alice-sub']) {
    const pk = { S: `SUBJECT#demo#${user}` };
    const item = { pk, plan_id: { S: 'team' }, parent: { S: 'demo#acme' }, version: { N: '1' } };
    await table(stack, 'PutItem', { TableName: 'tollgate', Item: item });
  }
  await change(page, {
    do: 'key_create',
    name: "Maria's laptop",
    subject: 'demo#maria',
    plan: 'team',
    days: 90,
  });
  await change(page, {
    do: 'key_create',
    name: 'nightly export',
    subject: null,
    plan: 'free',
    days: null,
  });
  await change(page, {
    do: 'revoke',
    kind: 'user',
    issuer: 'demo',
    id: 'mallory',
    hours: 720,
    reason: 'left',
  });
  await page.context().close();
  for (let sent = 0; sent < 13; sent += 1) await call(stack, '/orders', { client: 'reader' });
  for (let sent = 0; sent < 9; sent += 1)
    await call(stack, `/orders/${sent}`, { client: 'writer' });
  await call(stack, '/admin/users', { user: 'alice' });
  await call(stack, '/orders', { user: 'alice' });
  await call(stack, '/orders/7', { client: 'writer' }, 'DELETE');
  await call(stack, '/admin/users', { client: 'writer' });
  await call(stack, '/orders');
  const row = (text) => async (page) => {
    await page.locator('tbody tr', { hasText: text }).first().click();
    await page.waitForTimeout(600);
  };
  await shoot('requests', 'requests');
  await shoot('requests-dark', 'requests', { scheme: 'dark' });
  await shoot('requests-390', 'requests', { width: 390 });
  await shoot('request', 'requests', {}, row('DELETE'));
  await shoot('buckets', 'buckets');
  await shoot('buckets-390-dark', 'buckets', { width: 390, scheme: 'dark' });
  await shoot('subject', 'buckets/demo%23writer');
  await shoot('tree', 'buckets/demo%23acme', {}, async (page) => {
    await page.getByText('Subjects within it').click();
    await page.locator('.tree > li').nth(1).waitFor();
    await page.getByRole('heading', { name: 'History' }).evaluate((it) => it.scrollIntoView(false));
  });
  await shoot('plans', 'plans');
  await shoot('plan', 'plans', {}, (page) =>
    page.locator('tr', { hasText: 'team' }).getByRole('button', { name: 'Change…' }).click(),
  );
  await shoot('keys', 'keys');
  await shoot('keys-390', 'keys', { width: 390 });
  await shoot('assignments', 'assignments');
  await shoot('revocations', 'revocations');
  await shoot('rules', 'rules', { height: 1100 }, async (page) => {
    const editor = page.getByLabel('Configuration');
    const text = await editor.inputValue();
    await editor.fill(text.replace('["ANY /admin/*"]', '["ANY /admin/*", "GET /reports"]'));
    await page.waitForTimeout(600);
  });
  await shoot('try', 'try', {}, async (page) => {
    await page.getByRole('button', { name: 'Send twenty' }).click();
    await page.locator('.statuses .status').nth(19).waitFor();
  });
  await shoot('try-390-dark', 'try', { width: 390, scheme: 'dark' });
} finally {
  await chrome.close();
  await stack.stop();
}
