// Compares the gateway's throughput without a console, with two streams, and with two pages.
//
//   ROUNDS=5 SECONDS=5 node load.mjs
//
// The three take turns within one run, so that whatever else the machine does meets all of them.
// Pages also need the browser's processors: on a machine with few, the streams tell more. Figures
// of a debug build or of a busy machine say nothing.

import { Agent, get } from 'node:http';

import { browser, local, open } from './stack.mjs';

const ROUNDS = Number(process.env.ROUNDS || 5);
const SECONDS = Number(process.env.SECONDS || 5);
const CONNECTIONS = Number(process.env.CONNECTIONS || 8);

const stack = await local('--quiet');
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

/** Sends requests on all connections for some seconds; returns the requests per second. */
async function load(headers) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const end = performance.now() + 1000 * SECONDS;
  const started = performance.now();
  let count = 0;
  const send = async () => {
    while (performance.now() < end) {
      const status = await request(`${stack.ready.api}/orders`, { agent, headers });
      if (status !== 200) throw new Error(`status ${status}: the caller's plan has no limits`);
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, send));
  agent.destroy();
  return (1000 * count) / (performance.now() - started);
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

const KINDS = { none: null, streams: stream, pages: page };
const rates = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, []]));
const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];

try {
  const headers = { authorization: `Bearer ${await token()}` };
  await load(headers);
  for (let round = 0; round < ROUNDS; round += 1) {
    // Each round begins with another kind.
    const kinds = Object.keys(KINDS);
    for (const kind of [...kinds.slice(round % 3), ...kinds.slice(0, round % 3)]) {
      const ends = KINDS[kind] ? await Promise.all([KINDS[kind](), KINDS[kind]()]) : [];
      const rate = await load(headers);
      for (const end of ends) await end();
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
