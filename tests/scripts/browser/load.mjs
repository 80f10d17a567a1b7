// Measures the first paint of a page, and compares the gateway's throughput without a console,
// with a stream that nobody draws, and with a page.
//
//   ROUNDS=10 SECONDS=4 RATE=1000 node load.mjs
//
// The three take turns within one run, so that whatever else the machine does meets all of them.
// RATE is the requests a second that are asked for, whatever is answered; without it, as many as
// CONNECTIONS connections get answered. A page also needs the browser's processors: on a machine
// with few, the stream tells the console's own part. Figures of a debug build or of a busy machine
// say nothing.

import { Agent, get } from 'node:http';

import { browser, local, open } from './stack.mjs';

const ROUNDS = Number(process.env.ROUNDS || 10);
const SECONDS = Number(process.env.SECONDS || 4);
const RATE = Number(process.env.RATE || 0);
const CONNECTIONS = Number(process.env.CONNECTIONS || (RATE ? 64 : 8));

const stack = await local('--quiet', '--no-partition-limit');
const chrome = await browser();

const origin = new URL(stack.ready.console).origin;
const cookie = await (async () => {
  const page = await fetch(stack.ready.console, { redirect: 'manual' });
  return page.headers.get('set-cookie').split(';')[0];
})();

async function change(change) {
  const answer = await fetch(`${origin}/api/change`, {
    method: 'POST',
    headers: { cookie, 'content-type': 'application/json', 'x-tollgate-console': '1' },
    body: JSON.stringify({ change }),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

/** A token of a caller whose plan has no limits. */
async function token() {
  await change({ do: 'plan_put', id: 'load', json: '{"unlimited":true}', version: 0 });
  await change({ do: 'subject_assign', subject: 'demo#writer', plan: 'load', version: 0 });
  const { local_token: address } = stack.ready.issuers[0];
  return (await (await fetch(`${address}?client=writer`)).text()).trim();
}

/** One request; returns its status. */
const request = (url, options) =>
  new Promise((resolve, reject) => {
    get(url, options, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode));
    }).on('error', reject);
  });

/** Sends requests on all connections for some seconds; returns the answers per second. */
async function load(headers) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const started = performance.now();
  const end = started + 1000 * SECONDS;
  let [count, sent] = [0, 0];
  const send = async () => {
    while (performance.now() < end) {
      const wait = RATE ? started + (1000 * sent) / RATE - performance.now() : 0;
      sent += 1;
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const status = await request(`${stack.ready.api}/orders`, { agent, headers });
      if (status !== 200) throw new Error(`status ${status}: the caller's plan has no limits`);
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, send));
  agent.destroy();
  return (1000 * count) / (performance.now() - started);
}

/** The time until a new browser shows something of a page, in milliseconds. */
async function paint() {
  const shown = await open(chrome, stack.ready.console);
  const [entry] = await shown.evaluate(() =>
    performance.getEntriesByName('first-contentful-paint').map((it) => it.startTime),
  );
  await shown.context().close();
  return entry;
}

/** The console's stream, read and thrown away; returns its end. */
async function stream() {
  const abort = new AbortController();
  const asked = { headers: { cookie }, signal: abort.signal };
  const { body } = await fetch(`${origin}/api/requests`, asked);
  (async () => {
    for await (const _ of body);
  })().catch(() => {});
  return () => abort.abort();
}

async function page() {
  const shown = await open(chrome, `${stack.ready.console}#requests`);
  return async () => {
    console.log(`  a page says: ${await shown.locator('.note').first().innerText()}`);
    await shown.context().close();
  };
}

const KINDS = { none: null, stream, page };
const rates = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, []]));
const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];

try {
  const headers = { authorization: `Bearer ${await token()}` };
  const paints = [];
  for (let load = 0; load < 20; load += 1) paints.push(await paint());
  const [least, middle] = [Math.min(...paints), median(paints)].map(Math.round);
  console.log(`first contentful paint of 20 loads: median ${middle} ms, least ${least} ms`);
  await load(headers);
  for (let round = 0; round < ROUNDS; round += 1) {
    // Each round begins with another kind.
    const kinds = Object.keys(KINDS);
    for (const kind of [...kinds.slice(round % 3), ...kinds.slice(0, round % 3)]) {
      const end = await KINDS[kind]?.();
      const rate = await load(headers);
      await end?.();
      rates[kind].push(rate);
      console.log(`round ${round + 1}, ${kind}: ${rate.toFixed(0)} requests a second`);
    }
  }
  for (const kind of Object.keys(KINDS)) {
    // Compared within each round, because the machine's load changes between rounds.
    const shares = rates[kind].map((rate, round) => rate / rates.none[round]);
    const [middle, share] = [median(rates[kind]), 100 * median(shares)];
    console.log(
      `${kind}: median ${middle.toFixed(0)} requests a second, ${share.toFixed(1)} % of none`,
    );
  }
} finally {
  await chrome.close();
  await stack.stop();
}
