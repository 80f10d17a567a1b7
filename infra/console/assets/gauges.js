// Gauges that refill, and quotas as bars.

import { html, useEffect, useRef, useState } from './vendor/htm-preact.js';
import { number, wait } from './api.js';
import { Tag } from './parts.js';
import { PERIODS } from './plan-form.js';

/** The time of each frame, while something on the page still refills. */
function useNow(isMoving) {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    if (!isMoving) return undefined;
    let frame;
    const tick = () => {
      setNow(performance.now());
      frame = requestAnimationFrame(tick);
    };
    frame = requestAnimationFrame(tick);
    return () => cancelAnimationFrame(frame);
  }, [isMoving]);
  return now;
}

/** A mark on limits that refuse nothing. */
const Reports = ({ of }) =>
  of.isEnforced === false && html` <${Tag} kind="warn">only reports<//>`;

/** A bucket that refills from what was read: its debt shrinks with time. */
function Gauge({ of }) {
  const read = useRef({ of: null, at: 0 });
  if (read.current.of !== of) read.current = { of, at: performance.now() };
  const debtAt = (now) => Math.max(0, of.fullInNs / 1e6 - (now - read.current.at));
  const [done, setDone] = useState(false);
  const now = useNow(of.fullInNs > 0 && !done);
  const debt = debtAt(now);
  useEffect(() => setDone(false), [of]);
  useEffect(() => {
    if (debt === 0 && !done) setDone(true);
  });
  const owed = debt / (of.intervalNs / 1e6);
  const unit = of.meter || 'requests';
  const rate = of.rate ? [of.rate, of.meter].filter(Boolean).join(' ') : 'an older rate';
  const name = of.isMethod ? 'a method' : rate;
  if (of.burst === null) {
    return html`<div class="gauge">
      <span class="gauge-name">${name}</span>
      <span class="dim">${Math.ceil(owed)} owed; full in ${wait(debt)}</span>
    </div>`;
  }
  const left = Math.max(0, of.burst - owed);
  const share = of.burst ? left / of.burst : 0;
  const state = left < 1 ? 'bad' : share < 0.25 ? 'warn' : 'good';
  return html`
    <div class="gauge">
      <span class="gauge-name">
        ${name}, burst ${number(of.burst)}<${Reports} of=${of} />
      </span>
      <meter-bar
        class="bar ${state}"
        role="meter"
        aria-label="Left of the burst of ${unit}"
        aria-valuemin="0"
        aria-valuemax=${of.burst}
        aria-valuenow=${Math.floor(left)}
      >
        <span style=${{ width: `${(100 * share).toFixed(2)}%` }}></span>
      </meter-bar>
      <span class="gauge-left" data-left=${left.toFixed(2)}>
        ${number(Math.floor(left))} left${debt > 0 ? html`<span
          class="dim">, full in ${wait(debt)}</span>` : ''}
      </span>
    </div>
  `;
}

export const Gauges = ({ of }) => of.map((gauge, at) => html`<${Gauge} key=${at} of=${gauge} />`);

/** Quotas as bars against their limit. */
export const Quotas = ({ of }) =>
  of.map((quota) => {
    const all = quota.limit + quota.granted;
    const share = all ? Math.min(1, quota.used / all) : 1;
    const state = quota.remaining === 0 ? 'bad' : share > 0.75 ? 'warn' : 'good';
    return html`
      <div class="gauge">
        <span class="gauge-name">
          ${number(quota.limit)} ${quota.meter || ''} a ${PERIODS[quota.period]}
          <${Reports} of=${quota} />
        </span>
        <meter-bar
          class="bar used ${state}"
          role="meter"
          aria-label="Used ${quota.meter || 'requests'} of the quota of a ${PERIODS[quota.period]}"
          aria-valuemin="0"
          aria-valuemax=${all}
          aria-valuenow=${Math.min(all, quota.used)}
        >
          <span style=${{ width: `${(100 * share).toFixed(2)}%` }}></span>
        </meter-bar>
        <span class="gauge-left">
          ${number(quota.used)} used, ${number(quota.remaining)} left
          ${quota.granted > 0 && html` <${Tag}>${number(quota.granted)} granted<//>`}
        </span>
      </div>
    `;
  });
