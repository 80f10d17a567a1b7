// One key at a constant arrival, over its rate.
import { RATE, SECONDS, VALID, arriving, call, token } from './tollgate.js';
export { handleSummary } from './tollgate.js';

export const options = {
  scenarios: { steady: arriving(RATE, SECONDS) },
  thresholds: VALID,
};

export function setup() {
  return token(0);
}

export default function steady(bearer) {
  call(0, bearer);
}
