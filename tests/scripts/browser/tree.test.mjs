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
    await dialog.getByRole('heading', { name: 'Parents' }).waitFor();
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

test('a parent is assigned, changed and undone in the page', async () => {
  await on('assignments', {}, async (page) => {
    const dialog = page.getByRole('dialog');
    const row = page.locator('tr', { hasText: 'demo#spare' });
    const note = (text) => page.getByRole('status').getByText(text).waitFor();
    await page.getByRole('button', { name: 'Assign…' }).click();
    await dialog.getByLabel('Subject').fill('demo#spare');
    await dialog.getByLabel('Parent').fill('demo#nobody');
    await dialog.getByText('demo#nobody is assigned no plan, so').waitFor();
    await dialog.getByLabel('Parent').fill('demo#team');
    await dialog
      .getByText("subject assign 'demo#spare' --parent 'demo#team' --if-version 0 --yes")
      .waitFor();
    await dialog.getByText('is assigned no plan').waitFor({ state: 'detached' });
    await dialog.getByRole('button', { name: 'Assign' }).click();
    await note('demo#spare is within demo#team');

    await row.getByRole('button', { name: 'Change…' }).click();
    await dialog.getByLabel('Plan').selectOption('gold');
    await dialog.getByLabel('Parent').fill('');
    await dialog.getByText("'demo#spare' gold --no-parent --if-version 1 --yes").waitFor();
    await dialog.getByRole('button', { name: 'Store' }).click();
    await note('demo#spare is under gold');
    await row.getByText('gold').waitFor();
    assert.doesNotMatch(await row.innerText(), /demo#team/);
    await page.getByRole('button', { name: 'Undo' }).click();
    await note('demo#spare is within demo#team');
    await row.getByText('demo#team').waitFor();

    await row.getByRole('button', { name: 'Delete…' }).click();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await note('demo#spare is assigned nothing now');
    await page.getByRole('button', { name: 'Undo' }).click();
    await row.getByText('demo#team').waitFor();
  });
});

test('a parent that leads back to the subject is refused in its dialog', async () => {
  await on('assignments', {}, async (page) => {
    const dialog = page.getByRole('dialog');
    await page
      .locator('tr', { hasText: /^demo#team/ })
      .getByRole('button', { name: 'Change…' })
      .click();
    await dialog.getByLabel('Parent').fill('demo#reader');
    await dialog.getByRole('alert').getByText('loop').waitFor();
    await dialog.getByRole('button', { name: 'Store' }).click();
    await dialog.getByRole('alert').getByText('loop').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('tr', { hasText: /^demo#team.*acme/ }).waitFor();
  });
});
