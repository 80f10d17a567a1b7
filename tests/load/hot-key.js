// One key, over many execution environments: they share its bucket, and nothing else.
import { RATE, SECONDS, VALID, arriving, call, token } from './tollgate.js';
export { handleSummary } from './tollgate.js';

export const options = {
  scenarios: { hot: arriving(RATE, SECONDS, { preAllocatedVUs: 60 }) },
  thresholds: VALID,
};

export function setup() {
  return token(0);
}

export default function hot(bearer) {
  call(0, bearer);
}
