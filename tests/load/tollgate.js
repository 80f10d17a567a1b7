// What every load has in common: its callers, one call, and the summary.
//
// Each call becomes one line of the log: `call,KEY,STATUS,SENT,RECEIVED,MICROSECONDS,KID`, with the
// wall clock in milliseconds before and after. The program `load` judges the limits by these lines:
// a threshold can't say what was admitted in the worst window.
import http from 'k6/http';
import encoding from 'k6/encoding';
import { Counter } from 'k6/metrics';

export const URL = required('TOLLGATE_URL');
export const SECONDS = Number(__ENV.TOLLGATE_SECONDS || 20);
export const RATE = Number(__ENV.TOLLGATE_RATE || 40);
const TOKEN_ENDPOINT = required('TOLLGATE_TOKEN_ENDPOINT');
export const CLIENTS = JSON.parse(required('TOLLGATE_CLIENTS'));
const P95 = Number(__ENV.TOLLGATE_P95_MS || 1000);

export const calls = new Counter('calls');
export const admitted = new Counter('admitted');
export const throttled = new Counter('throttled');
export const unauthorized = new Counter('unauthorized');
export const failed = new Counter('failed');

// Thresholds are assertions: k6 exits with 99 where one does not hold.
export const LIMITED = {
  'http_req_duration{kind:call}': [`p(95)<${P95}`],
  failed: ['count==0'],
  admitted: ['count>0'],
  throttled: ['count>0'],
};
export const VALID = { ...LIMITED, unauthorized: ['count==0'] };

function required(name) {
  const value = __ENV[name];
  if (!value) throw new Error(`${name} is not set: start this by tests/scripts/load`);
  return value;
}

// A constant arrival of `rate` calls a second, however long each takes.
export function arriving(rate, seconds, more) {
  return {
    executor: 'constant-arrival-rate',
    rate: Math.max(1, Math.round(rate)),
    timeUnit: '1s',
    duration: `${seconds}s`,
    preAllocatedVUs: 20,
    maxVUs: 200,
    gracefulStop: '30s',
    ...more,
  };
}

// A token of a client's, by the client credentials grant.
export function token(client) {
  const { id, secret } = CLIENTS[client];
  const answer = http.post(
    TOKEN_ENDPOINT,
    { grant_type: 'client_credentials' },
    {
      headers: { authorization: `Basic ${encoding.b64encode(`${id}:${secret}`)}` },
      tags: { kind: 'token' },
    },
  );
  if (answer.status !== 200) throw new Error(`no token for ${id}: ${answer.status}`);
  const text = answer.json('access_token');
  const header = JSON.parse(encoding.b64decode(text.split('.')[0], 'rawurl', 's'));
  return { text, kid: String(header.kid) };
}

// A client's token, which this virtual user keeps for so many milliseconds.
const held = {};
export function fresh(client, life) {
  if (!held[client] || Date.now() - held[client].born > life) {
    held[client] = { bearer: token(client), born: Date.now() };
  }
  return held[client].bearer;
}

export function forget(client) {
  delete held[client];
}

// One call with a token, as the key numbered `key`.
export function call(key, bearer, path = '/orders') {
  const sent = Date.now();
  const answer = http.get(URL + path, {
    headers: { authorization: `Bearer ${bearer.text}` },
    tags: { kind: 'call', name: 'call' },
    timeout: '30s',
    redirects: 0,
  });
  const received = Date.now();
  const micros = Math.round(answer.timings.duration * 1000);
  console.log(`call,${key},${answer.status},${sent},${received},${micros},${bearer.kid}`);
  calls.add(1);
  if (answer.status === 200) admitted.add(1);
  else if (answer.status === 429) throttled.add(1);
  else if (answer.status === 401) unauthorized.add(1);
  else failed.add(1);
  return answer;
}

// Every script exports this: the metrics and thresholds, for the report.
export function handleSummary(data) {
  const path = __ENV.TOLLGATE_SUMMARY;
  return path ? { [path]: JSON.stringify(data) } : { stdout: `${JSON.stringify(data.metrics)}\n` };
}
