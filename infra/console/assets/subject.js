// A subject: gauges that refill, quotas, history, plan.

import { html, useEffect, useRef, useState } from './vendor/htm-preact.js';
import { get, number, wait } from './api.js';
import { Change } from './change.js';
import { Command, Dialog, Facts, Fault, Field, Name, Tag } from './parts.js';

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
  const name = of.isMethod ? 'a method' : of.rate ? `${of.rate} ${of.meter || ''}` : 'an older rate';
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
      <span class="gauge-name">${name}, burst ${number(of.burst)}</span>
      <meter-bar
        class="bar ${state}"
        role="meter"
        aria-label="Requests left of the burst"
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

const PERIODS = { DAY: 'day', WEEK: 'week', MONTH: 'month' };

/** Quotas as bars against their limit. */
export const Quotas = ({ of }) =>
  of.map((quota) => {
    const all = quota.limit + quota.granted;
    const share = all ? Math.min(1, quota.used / all) : 1;
    const state = quota.remaining === 0 ? 'bad' : share > 0.75 ? 'warn' : 'good';
    return html`
      <div class="gauge">
        <span class="gauge-name">
          a ${PERIODS[quota.period]}, ${number(quota.limit)} ${quota.meter || ''}
        </span>
        <meter-bar
          class="bar used ${state}"
          role="meter"
          aria-label="Used of the quota of a ${PERIODS[quota.period]}"
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

/** Loads the charts' library when the first chart is shown. */
function charts() {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = '/assets/vendor/uPlot.iife.min.js';
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
}

/** The use of each day or month as bars. */
function Chart({ entries, isMonth }) {
  const box = useRef();
  const [isReady, setReady] = useState(Boolean(window.uPlot));
  useEffect(() => {
    if (!isReady)
      charts().then(
        () => setReady(true),
        () => {},
      );
  }, []);
  useEffect(() => {
    if (!isReady || !entries.length) return undefined;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const xs = entries.map((entry) => entry.start / 1000);
    const used = entries.map((entry) => entry.used);
    const label = (secs) =>
      new Date(secs * 1000).toLocaleDateString('en-GB', {
        timeZone: 'UTC',
        ...(isMonth ? { month: 'short', year: '2-digit' } : { day: 'numeric', month: 'short' }),
      });
    const axis = {
      stroke: colour('--dim'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    };
    const chart = new window.uPlot(
      {
        width: box.current.clientWidth,
        height: 180,
        tzDate: (secs) => window.uPlot.tzDate(new Date(secs * 1000), 'UTC'),
        legend: { show: false },
        cursor: { drag: { x: false, y: false } },
        scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            values: (_, ticks) => ticks.map(label),
            space: 64,
            size: 32,
          },
          {
            ...axis,
            size: 56,
            values: (_, ticks) => ticks.map((tick) => (tick % 1 ? '' : number(tick))),
          },
        ],
        series: [
          {},
          {
            label: 'used',
            fill: colour('--accent'),
            width: 0,
            paths: window.uPlot.paths.bars({ size: [0.7, 40] }),
            points: { show: false },
          },
        ],
      },
      [xs, used],
      box.current,
    );
    const size = new ResizeObserver(() =>
      chart.setSize({ width: box.current.clientWidth, height: 180 }),
    );
    size.observe(box.current);
    return () => {
      size.disconnect();
      chart.destroy();
    };
  }, [JSON.stringify(entries), isMonth, isReady]);
  const most = Math.max(...entries.map((entry) => entry.used), 0);
  const sum = entries.reduce((all, entry) => all + entry.used, 0);
  const text = `${number(sum)} requests in ${entries.length} ${isMonth ? 'months' : 'days'}, at most ${number(most)} in one`;
  return html`<figure>
    <div class="chart" ref=${box} role="img" aria-label=${text}></div>
    <figcaption class="dim">${text}, in UTC</figcaption>
  </figure>`;
}

const PERIOD_NAMES = [
  ['DAY', 'Day'],
  ['WEEK', 'Week'],
  ['MONTH', 'Month'],
];

function Grant({ subject, about, onClose, onDone }) {
  const [extra, setExtra] = useState('100');
  const [period, setPeriod] = useState('DAY');
  const [id] = useState(() => crypto.randomUUID());
  const count = Number(extra);
  const change =
    Number.isInteger(count) && count > 0
      ? { do: 'usage_grant', subject, extra: count, period, id }
      : null;
  return html`
    <${Change} title="Grant more requests" verb="Grant"
      change=${change} ...${{ about, onClose, onDone }}>
      <p>For <${Name} of=${subject} />, on top of its quota, until the period ends.</p>
      <div class="row">
        <${Field} label="Requests">
          <input type="number" min="1" value=${extra}
            onInput=${(event) => setExtra(event.target.value)} />
        <//>
        <${Field} label="Period">
          <select value=${period} onChange=${(event) => setPeriod(event.target.value)}>
            ${PERIOD_NAMES.map(([value, name]) => html`<option value=${value}>${name}</option>`)}
          </select>
        <//>
      </div>
    <//>
  `;
}

export function Subject({ name, about, changes, onClose, onDone }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const [by, setBy] = useState('days');
  const [open, setOpen] = useState(null);
  const load = () =>
    get(`subject?name=${encodeURIComponent(name)}`).then((read) => {
      setFound(read);
      setError(null);
    }, setError);
  useEffect(() => {
    load();
    const timer = setInterval(load, about.isLocal ? 1000 : 5000);
    return () => clearInterval(timer);
  }, [name, changes]);
  const bucket = found?.bucket;
  const done = (what) => {
    setOpen(null);
    onDone(what);
  };
  if (open === 'grant')
    return html`<${Grant} subject=${name} onClose=${() => setOpen(null)} onDone=${done}
      about=${about} />`;
  if (open === 'reset') {
    return html`
      <${Change}
        title="Reset the bucket"
        verb="Forget its usage"
        danger
        change=${{ do: 'subject_reset', subject: name }}
        about=${about}
        onClose=${() => setOpen(null)}
        onDone=${done}
      >
        <p>
          Deletes the usage, debt, grants and history of <${Name} of=${name} />. The next request
          finds a full bucket. This cannot be undone.
        </p>
      <//>
    `;
  }
  const entries = found && (by === 'days' ? found.days : found.months);
  return html`
    <${Dialog} title="Subject" onClose=${onClose} wide>
      <p class="line"><${Name} of=${name} most=${120} /></p>
      <${Fault} error=${error} />
      ${
        found &&
        html`
        <${Facts}
          of=${[
            [
              'plan of the last request',
              bucket?.plan &&
                html`<${Name} of=${bucket.plan} /> <span
                  class="dim">version ${bucket.version}</span>`,
            ],
            [
              'assigned plan',
              found.assignment ? html`<${Name} of=${found.assignment.plan} />` : 'none',
            ],
          ]}
        />
        ${
          bucket
            ? html`<h3>Now</h3>
              <${Gauges} of=${bucket.gauges} /><${Quotas} of=${bucket.quotas} />
              ${bucket.isPlanMissing && html`<p
                class="fault">Its plan is not in the table: requests are refused.</p>`}`
            : html`<p class="dim">It has used nothing.</p>`
        }
        ${
          entries &&
          html`
          <div class="head small">
            <h3>History</h3>
            <div class="switch" role="group" aria-label="Period">
              <button type="button" aria-pressed=${by === 'days'}
                onClick=${() => setBy('days')}>Days</button>
              <button type="button" aria-pressed=${by === 'months'}
                onClick=${() => setBy('months')}>Months</button>
            </div>
          </div>
          <${Chart} entries=${entries} isMonth=${by === 'months'} />
        `
        }
        <p class="label">The same on the command line</p>
        <${Command} text=${found.command} />
        <footer>
          <button type="button" onClick=${() => setOpen('grant')}>Grant more…</button>
          ${bucket && html`<button type="button" class="danger"
            onClick=${() => setOpen('reset')}>Reset…</button>`}
        </footer>
      `
      }
    <//>
  `;
}
