// The fields of a plan's limits. The JSON has more: what no field shows stays as it is.

import { html, useState } from './vendor/htm-preact.js';
import { Field, Name } from './parts.js';

export const PERIODS = { DAY: 'day', WEEK: 'week', MONTH: 'month' };

const quotas = (limits) => [limits.quota || []].flat();

const quotaOf = (limits, period) => quotas(limits).find((quota) => quota.period === period);

/** Sets one quota; an empty text removes it. `before` is what it was, such as its start day. */
function withQuota(limits, period, text, before) {
  const was = quotaOf(limits, period);
  const changed = text === '' ? [] : [{ ...(was || before || { period }), limit: Number(text) }];
  const all = quotas(limits).flatMap((quota) => (quota === was ? changed : [quota]));
  if (!was) all.push(...changed);
  const { quota: _, ...rest } = limits;
  if (!all.length) return rest;
  return { ...limits, quota: all.length === 1 ? all[0] : all };
}

function withThrottle(limits, name, text) {
  const { throttle, ...rest } = limits;
  const changed = { ...throttle, [name]: /^\d+(\.\d+)?$/.test(text) ? Number(text) : text };
  if (text === '') delete changed[name];
  return Object.keys(changed).length ? { ...limits, throttle: changed } : rest;
}

/** What happens over a limit. A meter without a choice of its own does as the plan. */
function Enforce({ of, usual, onChange }) {
  const hasOwn = usual === 'as the plan';
  const value = of.enforce === false ? 'false' : hasOwn && of.enforce ? 'true' : '';
  const chosen = (event) => {
    const { enforce: _, ...rest } = of;
    onChange(event.target.value ? { ...of, enforce: event.target.value === 'true' } : rest);
  };
  return html`
    <${Field} label="Over a limit">
      <select value=${value} onChange=${chosen}>
        <option value="">${usual}</option>
        ${hasOwn && html`<option value="true">refuse</option>`}
        <option value="false">only report, to try limits first</option>
      </select>
    <//>
  `;
}

/** The rate, burst and quotas of one meter. */
function Limits({ of, usual, onChange }) {
  // A field that is emptied before another number is typed keeps what it does not show.
  const [before] = useState({});
  const limit = (period) => quotaOf(of, period)?.limit ?? '';
  const quota = (period) => (event) => {
    before[period] = quotaOf(of, period) || before[period];
    onChange(withQuota(of, period, event.target.value, before[period]));
  };
  const throttle = (name) => (event) => onChange(withThrottle(of, name, event.target.value));
  return html`
    <div class="row">
      <${Field} label="Rate" hint="a second, or 100/min, 20/h">
        <input value=${of.throttle?.rateLimit ?? ''} onInput=${throttle('rateLimit')} />
      <//>
      <${Field} label="Burst" hint="at once after an idle time">
        <input type="number" min="0" value=${of.throttle?.burstLimit ?? ''}
          onInput=${throttle('burstLimit')} />
      <//>
    </div>
    <div class="row">
      ${Object.entries(PERIODS).map(
        ([period, name]) => html`<${Field} label="Quota a ${name}">
          <input type="number" min="0" value=${limit(period)} onInput=${quota(period)} />
        <//>`,
      )}
    </div>
    <${Enforce} of=${of} usual=${usual} onChange=${onChange} />
  `;
}

/** The named meters, such as tokens, each with its own limits. */
function Meters({ of, onChange }) {
  const [name, setName] = useState('');
  const canAdd = /^[a-z][a-z0-9_-]{0,15}$/.test(name) && name !== 'requests' && !(name in of);
  const without = (gone) => {
    const { [gone]: _, ...rest } = of;
    return rest;
  };
  const add = () => {
    onChange({ ...of, [name]: { quota: { limit: 100000, period: 'MONTH' } } });
    setName('');
  };
  return html`
    ${Object.entries(of).map(
      ([meter, limits]) => html`<fieldset key=${meter}>
        <legend><${Name} of=${meter} most=${16} /></legend>
        <${Limits} of=${limits || {}} usual="as the plan"
          onChange=${(next) => onChange({ ...of, [meter]: next })} />
        <button type="button" class="small" onClick=${() => onChange(without(meter))}>
          Remove this meter
        </button>
      </fieldset>`,
    )}
    <div class="row add">
      <${Field} label="Another meter" hint="such as tokens: small letters, digits, - and _">
        <input value=${name} maxlength="16" onInput=${(event) => setName(event.target.value)} />
      <//>
      <button type="button" disabled=${!canAdd} onClick=${add}>Add</button>
    </div>
  `;
}

/** The fields of the common limits. `onPlan` receives the whole plan. */
export function PlanFields({ plan, onPlan }) {
  const failure = typeof plan.failure === 'string' ? plan.failure : '';
  const metered = (meters) => {
    const { meters: _, ...rest } = plan;
    onPlan(Object.keys(meters).length ? { ...plan, meters } : rest);
  };
  const failing = (event) => {
    const { failure: _, ...rest } = plan;
    onPlan(event.target.value ? { ...plan, failure: event.target.value } : rest);
  };
  return html`
    <${Limits} of=${plan} usual="refuse" onChange=${onPlan} />
    <${Meters} of=${plan.meters || {}} onChange=${metered} />
    <${Field} label="If the table is unavailable">
      <select value=${failure} onChange=${failing}>
        <option value="">as the configuration says</option>
        <option value="closed">refuse (closed)</option>
        <option value="open">allow (open)</option>
      </select>
    <//>
  `;
}
