// The issuer's keys rotate under load: first beside the old ones, then the old ones are dropped.
import { LIMITED, RATE, SECONDS, arriving, call, forget, fresh } from './tollgate.js';
export { handleSummary } from './tollgate.js';

// A 401 is right for a token whose key was dropped; `load` tells which are.
export const options = {
  scenarios: { rotation: arriving(RATE, SECONDS, { preAllocatedVUs: 8, maxVUs: 60 }) },
  thresholds: LIMITED,
};

const LIFE = 2_000;

export default function rotation() {
  if (call(0, fresh(0, LIFE)).status === 401) forget(0);
}
