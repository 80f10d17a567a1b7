// A subject: its plan, gauges, quotas, history and grants.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { get } from './api.js';
import { Change } from './change.js';
import { Chart } from './chart.js';
import { Gauges, Quotas } from './gauges.js';
import { Command, Dialog, Facts, Fault, Field, Name } from './parts.js';
import { PERIODS } from './plan-form.js';
import { Parents, Within } from './tree.js';

/** A choice of one of the plan's meters; nothing if it counts requests alone. */
const MeterChoice = ({ meters, value, onChange }) =>
  meters.length > 1 &&
  html`<select aria-label="Meter" value=${value}
    onChange=${(event) => onChange(event.target.value)}>
    ${meters.map((meter) => html`<option value=${meter}>${meter}</option>`)}
  </select>`;

function Grant({ subject, meters, quotas, ...dialog }) {
  const usual = (name) =>
    quotas.find((quota) => (quota.meter || 'requests') === name)?.period || 'DAY';
  const [form, setForm] = useState({
    extra: '100',
    period: usual('requests'),
    meter: 'requests',
  });
  const [id] = useState(() => crypto.randomUUID());
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const { period, meter } = form;
  const extra = Number(form.extra);
  const named = meter === 'requests' ? null : meter;
  const change =
    Number.isInteger(extra) && extra > 0
      ? { do: 'usage_grant', subject, extra, meter: named, period, id }
      : null;
  return html`
    <${Change} title="Grant more" verb="Grant" change=${change} ...${dialog}>
      <p>For <${Name} of=${subject} />, on top of its quota, until the period ends.</p>
      <div class="row">
        <${Field} label="Amount">
          <input type="number" min="1" value=${form.extra} onInput=${set('extra')} />
        <//>
        ${
          meters.length > 1 &&
          html`<${Field} label="Meter">
            <${MeterChoice} meters=${meters} value=${meter}
              onChange=${(chosen) => setForm({ ...form, meter: chosen, period: usual(chosen) })} />
          <//>`
        }
        <${Field} label="Period">
          <select value=${period} onChange=${set('period')}>
            ${Object.entries(PERIODS).map(
              ([value, name]) => html`<option value=${value}>a ${name}</option>`,
            )}
          </select>
        <//>
      </div>
    <//>
  `;
}

const Reset = ({ subject, ...dialog }) => html`
  <${Change} title="Reset the bucket" verb="Forget its usage" danger
    change=${{ do: 'subject_reset', subject }} ...${dialog}>
    <p>
      Deletes the usage, debt, grants and history of <${Name} of=${subject} />. The next request
      finds a full bucket. This cannot be undone.
    </p>
  <//>
`;

/** The use of one of the plan's meters, by day or month. */
function Usage({ of }) {
  const [by, setBy] = useState('days');
  const [meter, setMeter] = useState('requests');
  const shown = of.find((one) => one.meter === meter) || of[0];
  const button = (name, text) => html`
    <button type="button" aria-pressed=${by === name} onClick=${() => setBy(name)}>${text}</button>
  `;
  return html`
    <div class="head small">
      <h3>History</h3>
      <div class="row">
        <${MeterChoice} meters=${of.map((one) => one.meter)} value=${shown.meter}
          onChange=${setMeter} />
        <div class="switch" role="group" aria-label="Period">
          ${button('days', 'Days')}${button('months', 'Months')}
        </div>
      </div>
    </div>
    <${Chart} entries=${shown[by]} meter=${shown.meter} isMonth=${by === 'months'} />
  `;
}

/** What is known about a subject. */
const Found = ({ of, changes }) => {
  const { subject, bucket, assignment, parents, history, command } = of;
  return html`
    <${Facts}
      of=${[
        [
          'plan last used',
          bucket?.plan &&
            html`<${Name} of=${bucket.plan} /> <span class="dim">version ${bucket.version}</span>`,
        ],
        ['assigned plan', assignment?.plan ? html`<${Name} of=${assignment.plan} />` : 'none'],
        ['parent', assignment?.parent && html`<${Name} of=${assignment.parent} />`],
      ]}
    />
    ${
      bucket
        ? html`<h3>Now</h3>
          <${Gauges} of=${bucket.gauges} /><${Quotas} of=${bucket.quotas} />
          ${
            bucket.isPlanMissing &&
            html`<p class="fault">Its plan is not in the table: requests are refused.</p>`
          }`
        : html`<p class="dim">It has used nothing.</p>`
    }
    <${Parents} of=${parents} />
    <${Within} name=${subject} changes=${changes} />
    ${history && html`<${Usage} of=${history} />`}
    <p class="label">The same on the command line</p>
    <${Command} text=${command} />
  `;
};

export function Subject({ name, about, changes, onDone, onClose }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
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
  if (open) {
    const done = (what) => {
      setOpen(null);
      onDone(what);
    };
    const meters = found.history?.map((one) => one.meter) || [];
    return html`<${open} subject=${name} meters=${meters} quotas=${found.bucket?.quotas || []}
      about=${about} onDone=${done} onClose=${() => setOpen(null)} />`;
  }
  return html`
    <${Dialog} title="Subject" onClose=${onClose} wide>
      <p class="line"><${Name} of=${name} most=${120} /></p>
      <${Fault} error=${error} />
      ${
        found &&
        html`
        <${Found} of=${found} changes=${changes} />
        <footer>
          <button type="button" onClick=${() => setOpen(() => Grant)}>Grant more…</button>
          ${
            found.bucket &&
            html`<button type="button" class="danger" onClick=${() => setOpen(() => Reset)}>
              Reset…
            </button>`
          }
        </footer>
      `
      }
    <//>
  `;
}
