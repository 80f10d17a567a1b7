// Starts the programs and the browser, and ends them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { after } from 'node:test';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(join(process.env.CONSOLE_TOOLS, 'x.js'));
const { chromium } = require('playwright-core');

export const AXE = require.resolve('axe-core/axe.min.js');

/** A file beside this one. */
export const beside = (name) => join(dirname(fileURLToPath(import.meta.url)), name);

const bin = process.env.CONSOLE_BIN;

/** Starts a program that prints one line of JSON when it is ready. */
async function start(name, args, environment = {}) {
  const child = spawn(join(bin, name), args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (data) => (errors += data));
  const ready = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line)));
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}: ${errors}`)));
    setTimeout(() => reject(new Error(`${name} is not ready: ${errors}`)), 60_000).unref();
  });
  const stop = () =>
    new Promise((resolve) => {
      child.removeAllListeners('exit');
      child.once('exit', resolve);
      child.kill('SIGTERM');
    });
  return { ready, stop, errors: () => errors };
}

const SERVERS = ['api', 'http', 'issuer', 'dynamodb', 'console'];
const PORTS = SERVERS.flatMap((name) => [`--${name}-port`, '0']);

/** Runs `tollgate-local` with the tests' configuration, or another, on free ports. */
export function local(...more) {
  const own = more.includes('--config') ? [] : ['--config', beside('tollgate.toml')];
  const users = ['--users', beside('users.toml')];
  return start('tollgate-local', ['--json', ...PORTS, ...own, ...users, ...more]);
}

/** Runs `tollgate-local` as a stranger does, on free ports. */
export const demonstration = () => start('tollgate-local', ['--json', ...PORTS]);

/** Runs `tollgate console` on the table of a stack. */
export function admin({ ready: { dynamodb } }, ...more) {
  const args = ['console', '--json', '--port', '0', '--endpoint-url', dynamodb];
  return start('tollgate', [...args, '--config', beside('tollgate.toml'), ...more], {
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_REGION: 'us-east-1',
  });
}

/** Starts the browser, which reaches the loopback alone. */
export function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A page of the console, which fails the test on any error of its scripts. */
export async function open(chrome, url, { width = 1280, height = 860, scheme = 'light' } = {}) {
  const context = await chrome.newContext({ viewport: { width, height }, colorScheme: scheme });
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => {
    const text = message.text();
    // A refused or failed call is shown on the page; the browser notes it here too.
    if (message.type() === 'error' && !text.startsWith('Failed to load resource'))
      page.faults.push(text);
  });
  await page.goto(url);
  await page.locator('nav').waitFor();
  return page;
}

/** Opens a page, runs the check on it, and asserts that no script failed. */
export async function visit(chrome, url, options, check) {
  const page = await open(chrome, url, options);
  try {
    await check(page);
    assert.deepEqual(page.faults, []);
  } finally {
    await page.context().close();
  }
}

/**
 * Starts the stack, with these flags, and the browser of a file of tests, and ends both after the
 * last one. `at` is the address of a view, and `on` visits it.
 */
export async function suite(...flags) {
  const [stack, chrome] = await Promise.all([local(...flags), browser()]);
  after(async () => {
    await chrome.close();
    await stack.stop();
  });
  const at = (view) => `${stack.ready.console}#${view}`;
  const on = (view, options, check) => visit(chrome, at(view), options, check);
  return { stack, chrome, at, on, origin: new URL(stack.ready.console).origin };
}

/** A call of the table, as its clients make it. */
export async function table(stack, action, body) {
  const answer = await fetch(stack.ready.dynamodb, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': `DynamoDB_20120810.${action}`,
      'x-amz-date': '20261129T000000Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=local/20261129/us-east-1/dynamodb/aws4_request, ' +
        'SignedHeaders=host;x-amz-date, Signature=0',
    },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

/** Sends a request through the API as a caller, and returns its status. */
export async function call(stack, path, who, method = 'GET') {
  const [issuer] = stack.ready.issuers;
  const headers = {};
  if (who) {
    const token = await (await fetch(`${issuer.local_token}?${new URLSearchParams(who)}`)).text();
    headers.authorization = `Bearer ${token.trim()}`;
  }
  return (await fetch(`${stack.ready.api}${path}`, { method, headers })).status;
}
