// Who decided a request: only this authorizer's decisions are explained by its rules.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { beside, call, local, open, suite } from './stack.mjs';

const flags = ['--template', beside('apis.yaml'), '--function', 'Backend=echo'];
const { stack, chrome, on } = await suite(...flags);

const READER = { client: 'reader' };

/** The text of the detail of the latest request of this path, and the number of its rules. */
async function detail(page, path) {
  await page.locator('tbody tr', { hasText: path }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('heading', { name: 'Rules' }).waitFor();
  const told = [await dialog.innerText(), await dialog.locator('.rules li').count()];
  await page.keyboard.press('Escape');
  return told;
}

test("this authorizer's decision is explained by its rules", async () => {
  await on('requests', {}, async (page) => {
    assert.equal(await call(stack, '/orders', READER), 200);
    const [text, rules] = await detail(page, '/orders');
    assert.match(text, /GET \/orders: allowed by readers/);
    assert.equal(rules, 4);
    assert.doesNotMatch(text, /decided it|No authorizer guards|before it asked/);
  });
});

test('an open route and a refusal of the gateway have no verdict', async () => {
  await on('requests', {}, async (page) => {
    assert.equal(await call(stack, '/open', READER), 200);
    const [open, rules] = await detail(page, '/open');
    assert.match(open, /No authorizer guards this route/);
    assert.doesNotMatch(open, /allowed|not allowed|denied/);
    assert.equal(rules, 0);
    // There is no such route, but there is a token that rules could be about.
    assert.equal(await call(stack, '/nothing-here', READER), 403);
    const [refused, none] = await detail(page, '/nothing-here');
    assert.match(refused, /The gateway answered before it asked an authorizer/);
    assert.equal(none, 0);
  });
});

test('a token that fails a check is not explained by rules that it never reached', async () => {
  await on('requests', {}, async (page) => {
    const [issuer] = stack.ready.issuers;
    const token = (await (await fetch(`${issuer.local_token}?client=reader`)).text()).trim();
    const authorization = `Bearer ${token.slice(0, -8)}AAAAAAAA`;
    const answer = await fetch(`${stack.ready.api}/orders?forged`, { headers: { authorization } });
    assert.equal(answer.status, 401);
    await page.locator('tbody tr', { hasText: '401' }).waitFor();
    const [text, rules] = await detail(page, '401');
    assert.match(text, /A check before them failed/);
    assert.match(text, /signature/);
    assert.equal(rules, 0);
  });
});

test('a request that another authorizer decided has no verdict of these rules', async () => {
  const other = await local('--authorizer-command', `node '${beside('authorizer.mjs')}'`);
  try {
    const page = await open(chrome, other.ready.console);
    // These rules would not allow it.
    assert.equal(await call(other, '/orders/7', READER, 'DELETE'), 200);
    const [text, rules] = await detail(page, '/orders/7');
    assert.match(text, /Another authorizer decided it/);
    assert.doesNotMatch(text, /not allowed|no rule/);
    assert.equal(rules, 0);
    await page.context().close();
  } finally {
    await other.stop();
  }
});

test('Try it lists every API, and sends to the one that is chosen', async () => {
  await on('try', {}, async (page) => {
    const choice = page.getByLabel('API');
    const names = await choice.locator('option').allInnerTexts();
    const expected = ['HTTP API Mobile', 'REST API Shop', 'REST API Stock', 'HTTP API Web'];
    assert.deepEqual(names, expected);
    for (const name of expected) {
      await choice.selectOption({ label: name });
      const { url } = stack.ready.apis.find((api) => name.endsWith(api.name));
      await page.getByText(`${url}/orders`).waitFor();
      // The page asks for the command at the same address.
      const isSent = (request) => !request.postDataJSON().preview;
      const answered = page.waitForResponse(
        (answer) => answer.url().endsWith('/api/trial/send') && isSent(answer.request()),
      );
      await page.getByRole('button', { name: 'Send', exact: true }).click();
      const { answers } = await (await answered).json();
      assert.equal(answers[0].status, 200, name);
    }
  });
});
