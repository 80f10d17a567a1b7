// Many keys at once, each over its own rate; none has to do with another.
import { CLIENTS, RATE, SECONDS, VALID, arriving, call, token } from './tollgate.js';
import exec from 'k6/execution';
export { handleSummary } from './tollgate.js';

export const options = {
  scenarios: { many: arriving(RATE, SECONDS) },
  thresholds: VALID,
  setupTimeout: '120s',
};

// `local` counts by `jti` here: each token has a bucket of its own.
export function setup() {
  return CLIENTS.map((client, number) => token(number));
}

export default function many(bearers) {
  const key = exec.scenario.iterationInTest % bearers.length;
  call(key, bearers[key]);
}
