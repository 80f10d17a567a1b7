/** A rate, and the requests that may come at once after an idle time. */
export interface Throttle {
  /** Requests a second, such as 5 or 0.5, or with a unit: `100/min`. */
  readonly rateLimit: number | string;
  /** Requests at once after an idle time. */
  readonly burstLimit: number;
}

/** Requests in a calendar period, in UTC. */
export interface Quota {
  readonly limit: number;
  readonly period: 'DAY' | 'WEEK' | 'MONTH';
}

/** The limits of a caller, as API Gateway writes a usage plan. */
export interface Plan {
  readonly throttle?: Throttle;
  readonly quota?: Quota | Quota[];
  /** The decision while the table is unavailable. */
  readonly failure?: 'closed' | 'open' | {readonly local: string};
  /** True for a plan without limits. */
  readonly unlimited?: true;
}

const FIELDS = ['throttle', 'quota', 'failure', 'unlimited'];

/** Returns the mistakes in plans. The deployment's function reads them again, more strictly. */
export function mistakes(plans: Record<string, Plan>, defaultPlan: string): string[] {
  const found: string[] = [];
  for (const [name, plan] of Object.entries(plans)) {
    const wrong = (problem: string) => found.push(`plan \`${name}\`: ${problem}`);
    if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name)) {
      wrong('a name has 1 to 64 letters, digits, dots, hyphens and underscores');
    }
    for (const field of Object.keys(plan)) {
      if (!FIELDS.includes(field)) wrong(`unknown field \`${field}\``);
    }
    const {throttle, unlimited} = plan;
    const quotas = plan.quota === undefined ? [] : [plan.quota].flat();
    if (unlimited ? throttle || quotas.length > 0 : !throttle && quotas.length === 0) {
      wrong('give `throttle` or `quota`, or `unlimited: true` alone');
    }
    if (throttle) {
      const {rateLimit: rate} = throttle;
      const isRate = typeof rate === 'number' ? rate >= 0 && Number.isFinite(rate)
        : /^[0-9.]+\/(s|min|h|d)$/.test(rate);
      if (!isRate) wrong('`rateLimit` must be a number from 0, or have a unit such as `100/min`');
      if (!isCount(throttle.burstLimit)) wrong('`burstLimit` must be a whole number from 0');
    }
    for (const quota of quotas) {
      if (!isCount(quota.limit)) wrong('`limit` must be a whole number from 0');
      if (!['DAY', 'WEEK', 'MONTH'].includes(quota.period)) {
        wrong('`period` must be DAY, WEEK or MONTH');
      }
    }
  }
  if (!(defaultPlan in plans)) {
    found.push(`no plan \`${defaultPlan}\`, which is \`defaultPlan\`: add it to \`plans\``);
  }
  return found;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
