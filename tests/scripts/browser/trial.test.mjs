// Trying requests, keys, revocations and a table that goes away; and the rules.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { call, demonstration, local, open, suite } from './stack.mjs';

const { stack, chrome, on } = await suite();

/** The tests' configuration without its last table, in a file. */
function withoutRevocation() {
  const text = readFileSync(new URL('tollgate.toml', import.meta.url), 'utf8');
  const file = join(mkdtempSync(join(tmpdir(), 'console-')), 'tollgate.toml');
  writeFileSync(file, text.split('[revocation]')[0]);
  return file;
}

test('Try it: twenty requests meet the limit, and a revoked token gets 401', async () => {
  await on('try', {}, async (page) => {
    await page.getByLabel('Caller').selectOption({ label: 'client reader' });
    await page.getByText(/curl -i -H "authorization: Bearer \$\(curl -s/).waitFor();
    await page.getByRole('button', { name: 'Send twenty' }).click();
    const statuses = page.locator('.statuses .status');
    await statuses.nth(19).waitFor();
    const texts = await statuses.allInnerTexts();
    assert.ok(texts.includes('429'), texts.join(' '));
    await page.getByLabel('Caller').selectOption({ label: 'client spare' });
    const send = async () => {
      await page.getByRole('button', { name: 'Send', exact: true }).click();
      await page.waitForTimeout(250);
      return page.getByTestId('answer').locator('.status').first().innerText();
    };
    assert.equal(await send(), '200');
    await page.getByRole('button', { name: 'Revoke this token' }).click();
    await page.getByRole('status').getByText('revoked token#').waitFor();
    await page.waitForTimeout(1200); // The configuration caches revocations for a second.
    assert.equal(await send(), '401');
    await page.getByRole('button', { name: 'Take a new token' }).click();
    await page.getByText('has a new token').waitFor();
    assert.equal(await send(), '200');
  });
});

test('Try it: the keys rotate, and the table goes and comes back with its data', async () => {
  await on('try', {}, async (page) => {
    await page.getByRole('button', { name: 'Rotate', exact: true }).click();
    await page.getByText('signs with new keys and still').waitFor();
    const count = () =>
      page.evaluate(async () => (await (await fetch('/api/plans')).json()).items.length);
    const plans = await count();
    await page.getByRole('button', { name: 'Make the table unavailable' }).click();
    await page.getByText("the table is unavailable: each plan's failure policy decides").waitFor();
    assert.ok((await call(stack, '/orders', { client: 'writer' })) >= 500, 'closed');
    await page.getByRole('button', { name: 'Make the table available' }).click();
    await page.getByText('the table is available').waitFor();
    assert.equal(await count(), plans);
  });
});

test('Rules: an edited copy shows what it gives, and its mistakes', async () => {
  await on('rules', {}, async (page) => {
    await page.getByRole('rowheader', { name: 'GET /health' }).waitFor();
    const editor = page.getByLabel('Configuration');
    const text = await editor.inputValue();
    await editor.fill(
      text.replace(
        'allow = ["ANY /admin/*"]\nany_group',
        'allow = ["ANY /admin/*", "GET /reports"]\nany_group',
      ),
    );
    const change = page
      .getByRole('region', { name: 'Changes' })
      .locator('tr', { hasText: 'GET /reports' });
    await change.waitFor();
    assert.match(await change.innerText(), /group:admins[\s\S]*no[\s\S]*allow/);
    await editor.fill(text.replace('any_group', 'any_grup'));
    await page.getByRole('alert').getByText('unknown field any_grup').waitFor();
  });
});

test('without [revocation] the page says what is missing, and revokes nothing', async () => {
  const plain = await local('--config', withoutRevocation());
  try {
    const page = await open(chrome, `${plain.ready.console}#try`);
    await page.getByText('Add [revocation] with table = "tollgate"').waitFor();
    assert.ok(await page.getByRole('button', { name: 'Revoke this token' }).isDisabled());
    await page.context().close();
  } finally {
    await plain.stop();
  }
});

test('the demonstration revokes a token', async () => {
  const demo = await demonstration();
  try {
    const page = await open(chrome, `${demo.ready.console}#try`);
    const send = async () => {
      await page.getByRole('button', { name: 'Send', exact: true }).click();
      await page.waitForTimeout(400);
      return page.getByTestId('answer').locator('.status').first().innerText();
    };
    assert.equal(await send(), '200');
    await page.getByRole('button', { name: 'Revoke this token' }).click();
    await page.getByRole('status').getByText('revoked token#').waitFor();
    await page.waitForTimeout(1200);
    assert.equal(await send(), '401');
    await page.context().close();
  } finally {
    await demo.stop();
  }
});
