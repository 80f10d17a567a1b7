// One of two clients is revoked under load; the other must not notice.
import { LIMITED, RATE, SECONDS, arriving, call, token } from './tollgate.js';
import exec from 'k6/execution';
export { handleSummary } from './tollgate.js';

export const options = {
  scenarios: { revocation: arriving(RATE, SECONDS) },
  thresholds: { ...LIMITED, unauthorized: ['count>0'] },
};

export function setup() {
  return [token(0), token(1)];
}

export default function revocation(bearers) {
  const key = exec.scenario.iterationInTest % 2;
  call(key, bearers[key]);
}
