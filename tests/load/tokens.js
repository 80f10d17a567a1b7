// Users of a language model, over their limits; some hang up while it answers.
import http from 'k6/http';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';

const URL = __ENV.TOLLGATE_URL;
if (!URL) throw new Error('TOLLGATE_URL is not set: start this by tests/scripts/load tokens');
const RATE = Number(__ENV.TOLLGATE_RATE || 40);
const SECONDS = Number(__ENV.TOLLGATE_SECONDS || 20);

export const calls = new Counter('calls');

export const options = {
  scenarios: {
    tokens: {
      executor: 'constant-arrival-rate',
      rate: RATE,
      timeUnit: '1s',
      duration: `${SECONDS}s`,
      preAllocatedVUs: 50,
      maxVUs: 200,
    },
  },
};

// Two tenants with two users each: the first asks for long answers, the second for short ones.
const USERS = [
  { user: 'maria', tenant: 'acme', most: 400 },
  { user: 'paul', tenant: 'acme', most: 4 },
  { user: 'ana', tenant: 'globex', most: 400 },
  { user: 'tom', tenant: 'globex', most: 4 },
];

export default function ask() {
  const id = exec.scenario.iterationInTest;
  const { user, tenant, most } = USERS[id % USERS.length];
  const tokens = 1 + Math.floor(Math.random() * most);
  // An estimate that is too low for half of the calls, and too high for the others.
  const reserved = 1 + Math.floor(Math.random() * 2 * tokens);
  const hangsUp = Math.random() < 0.3;
  const sent = Date.now();
  const answer = http.post(`${URL}/chat?tokens=${tokens}`, null, {
    headers: {
      'x-user': user,
      'x-tenant': tenant,
      'x-request-id': String(id),
      'x-max-tokens': String(reserved),
    },
    timeout: hangsUp ? `${100 + Math.floor(Math.random() * 300)}ms` : '30s',
  });
  // No status: it hung up while it read.
  const status = answer.status === 0 && hangsUp ? 'hung-up' : answer.status;
  console.log(`call,${id},${user},${tenant},${status},${sent},${Date.now()},${reserved}`);
  calls.add(1);
}

export function handleSummary(data) {
  const path = __ENV.TOLLGATE_SUMMARY;
  return path ? { [path]: JSON.stringify(data) } : {};
}
