// Hierarchies: a subject's parents, and the subjects within it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { call, suite, table } from './stack.mjs';

/** Assigns a plan, and a parent if there is one, as the command line does. */
function within(subject, parent) {
  const plan = { plan_id: { S: 'gold' }, version: { N: '1' } };
  const Item = { pk: { S: `SUBJECT#${subject}` }, ...plan };
  if (parent) Item.parent = { S: parent };
  return table(stack, 'PutItem', { TableName: 'tollgate', Item });
}

const { stack, on } = await suite();
await within('demo#reader', 'demo#team');
await within('demo#team', 'demo#<b>acme</b>');
await within('demo#<b>acme</b>');
await within('demo#loop', 'demo#pool');
await within('demo#pool', 'demo#loop');
assert.equal(await call(stack, '/orders', { client: 'reader' }), 200);

test('a subject shows its parents with their limits', async () => {
  await on('buckets/demo%23reader', {}, async (page) => {
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('heading', { name: 'Within' }).waitFor();
    const parents = dialog.locator('.tree > li');
    assert.match(await parents.nth(0).innerText(), /^demo#team/);
    assert.match(await parents.nth(1).innerText(), /^demo#<b>acme<\/b>/);
    await parents.nth(0).getByRole('link').click();
    await dialog.locator('.line', { hasText: 'demo#team' }).waitFor();
  });
});

test('a tenant opens as a tree, level by level', async () => {
  await on(`buckets/${encodeURIComponent('demo#<b>acme</b>')}`, {}, async (page) => {
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Subjects within it').click();
    const team = dialog.locator('.tree > li', { hasText: 'demo#team' });
    await team.waitFor();
    await team.getByText('Subjects within it').click();
    const reader = team.locator('.tree > li', { hasText: 'demo#reader' });
    await reader.getByRole('meter').first().waitFor();
    // It stays open while the dialog reads the subject again.
    await page.waitForTimeout(2500);
    assert.equal(await reader.count(), 1);
    await reader.getByText('Subjects within it').click();
    await reader.getByText('No subject is assigned it as parent.').waitFor();
    assert.equal(await dialog.locator('b', { hasText: /^acme$/ }).count(), 0);
  });
});

test('parents that are a loop are said', async () => {
  await on('buckets/demo%23loop', {}, async (page) => {
    await page.getByText('The parents are a loop: requests are refused.').waitFor();
  });
});
