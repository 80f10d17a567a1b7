// Idle, then all at once, twice: the whole burst was saved up, and no more than that.
import { RATE, SECONDS, VALID, call, token } from './tollgate.js';
export { handleSummary } from './tollgate.js';

const idle = Math.max(1, Math.round(SECONDS * 0.3));
const peak = Math.max(1, Math.round(SECONDS * 0.2));
export const options = {
  scenarios: {
    spike: {
      executor: 'ramping-arrival-rate',
      startRate: 1,
      timeUnit: '1s',
      preAllocatedVUs: 50,
      maxVUs: 300,
      stages: [
        { target: 1, duration: `${idle}s` },
        { target: RATE, duration: '0s' },
        { target: RATE, duration: `${peak}s` },
        { target: 1, duration: '0s' },
        { target: 1, duration: `${idle}s` },
        { target: RATE, duration: '0s' },
        { target: RATE, duration: `${peak}s` },
      ],
    },
  },
  thresholds: VALID,
};

export function setup() {
  return token(0);
}

export default function spike(bearer) {
  call(0, bearer);
}
