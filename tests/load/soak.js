// Two keys for a long time, while keys rotate and the second one's plan changes.
import { RATE, SECONDS, VALID, arriving, call, fresh } from './tollgate.js';
export { handleSummary } from './tollgate.js';

export const options = {
  scenarios: {
    kept: arriving(RATE * 0.6, SECONDS, { exec: 'kept' }),
    changed: arriving(RATE * 0.4, SECONDS, { exec: 'changed' }),
  },
  thresholds: VALID,
};

// Shorter than the time between two rotations: the keys of tokens in use stay published.
const LIFE = Math.min(30_000, SECONDS * 25);

export function kept() {
  call(0, fresh(0, LIFE));
}

export function changed() {
  call(1, fresh(1, LIFE));
}
