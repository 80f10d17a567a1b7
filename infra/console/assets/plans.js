// Plans: list, create, change, delete.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { get, moment, number } from './api.js';
import { Change } from './change.js';
import { Empty, Fault, Field, Head, Name, Rows, Tag, Tail, useList } from './parts.js';

const PERIODS = { DAY: 'day', WEEK: 'week', MONTH: 'month' };
const NEW = { throttle: { rateLimit: 5, burstLimit: 10 }, quota: { limit: 1000, period: 'DAY' } };

const quotas = (plan) => [plan.quota || []].flat();

/** Sets one quota of a plan's JSON; an empty text removes it. */
function withQuota(plan, period, text) {
  const others = quotas(plan).filter((quota) => quota.period !== period);
  const old = quotas(plan).find((quota) => quota.period === period) || { period };
  const all = text === '' ? others : [...others, { ...old, limit: Number(text) }];
  const { quota: _, ...rest } = plan;
  if (!all.length) return rest;
  return { ...rest, quota: all.length === 1 ? all[0] : all };
}

function withThrottle(plan, name, text) {
  const { throttle, ...rest } = plan;
  const changed = { ...throttle, [name]: /^\d+(\.\d+)?$/.test(text) ? Number(text) : text };
  if (text === '') delete changed[name];
  return Object.keys(changed).length ? { ...rest, throttle: changed } : rest;
}

/** The fields of the common limits; the JSON below has them all. */
function Fields({ plan, onPlan }) {
  const limit = (period) => quotas(plan).find((quota) => quota.period === period)?.limit ?? '';
  const quota = (period) => (event) => onPlan(withQuota(plan, period, event.target.value));
  const throttle = (name) => (event) => onPlan(withThrottle(plan, name, event.target.value));
  const failure = typeof plan.failure === 'string' ? plan.failure : '';
  return html`
    <div class="row">
      <${Field} label="Rate" hint="a second, or 100/min, 20/h">
        <input value=${plan.throttle?.rateLimit ?? ''} onInput=${throttle('rateLimit')} />
      <//>
      <${Field} label="Burst" hint="at once after an idle time">
        <input type="number" min="0" value=${plan.throttle?.burstLimit ?? ''}
          onInput=${throttle('burstLimit')} />
      <//>
    </div>
    <div class="row">
      ${Object.entries(PERIODS).map(
        ([period, name]) => html`<${Field} label="A ${name}">
          <input type="number" min="0" value=${limit(period)} onInput=${quota(period)} />
        <//>`,
      )}
    </div>
    <${Field} label="If the table is unavailable">
      <select
        value=${failure}
        onChange=${(event) => {
          const { failure: _, ...rest } = plan;
          onPlan(event.target.value ? { ...rest, failure: event.target.value } : rest);
        }}
      >
        <option value="">as the configuration says</option>
        <option value="closed">refuse (closed)</option>
        <option value="open">allow (open)</option>
      </select>
    <//>
  `;
}

function Edit({ record, about, onClose, onDone }) {
  const [id, setId] = useState(record?.id || '');
  const [text, setText] = useState(() => record?.text || JSON.stringify(NEW, null, 2));
  let plan = null;
  let error = null;
  try {
    plan = JSON.parse(text);
    if (plan === null || typeof plan !== 'object' || Array.isArray(plan))
      throw new Error('write an object: { … }');
  } catch (problem) {
    plan = null;
    error = problem;
  }
  const change =
    plan && id ? { do: 'plan_put', id, json: text, version: record?.version || 0 } : null;
  return html`
    <${Change}
      title=${record ? `Change the plan ${record.id}` : 'New plan'}
      verb=${record ? 'Store' : 'Create'}
      change=${change}
      about=${about}
      onClose=${onClose}
      onDone=${onDone}
    >
      ${
        !record &&
        html`<${Field} label="Name" hint="as tokens and configurations write it">
        <input value=${id} required onInput=${(event) => setId(event.target.value)} />
      <//>`
      }
      ${plan && html`<${Fields} plan=${plan}
        onPlan=${(next) => setText(JSON.stringify(next, null, 2))} />`}
      <${Field} label="JSON" hint="API Gateway's form, with every limit">
        <textarea
          rows="9"
          spellcheck=${false}
          value=${text}
          onInput=${(event) => setText(event.target.value)}
        ></textarea>
      <//>
      ${error && html`<p class="fault" role="alert">not JSON: ${error.message}</p>`}
      ${record && html`<p
        class="dim">Replaces version ${record.version}. What callers owe is kept.</p>`}
    <//>
  `;
}

const limits = (plan) => {
  if (plan.isUnlimited) return html`<${Tag}>unlimited<//>`;
  if (plan.isClosed) return html`<${Tag} kind="bad">closed<//>`;
  return null;
};

export function Plans({ about, changes, onDone }) {
  const [open, setOpen] = useState(null);
  const list = useList(() => get('plans'));
  useEffect(() => {
    list.reload();
  }, [changes]);
  const close = () => setOpen(null);
  const done = (what) => {
    close();
    onDone(what);
  };
  const columns = [
    { title: 'Plan', cell: (plan) => html`<b><${Name} of=${plan.id} /></b> ${limits(plan)}` },
    { title: 'Rate', kind: 'right', cell: (plan) => plan.rate ?? '–' },
    {
      title: 'Burst',
      kind: 'right',
      cell: (plan) => (plan.burst === null ? '–' : number(plan.burst)),
    },
    {
      title: 'Quotas',
      cell: (plan) =>
        plan.quotas
          .map((quota) => `${number(quota.limit)} a ${PERIODS[quota.period]}`)
          .join(', ') || '–',
    },
    { title: 'Version', kind: 'right', cell: (plan) => plan.version },
    { title: 'Created', kind: 'mono dim', cell: (plan) => moment(plan.created) },
    {
      title: 'Actions',
      kind: 'actions',
      cell: (plan) => html`
        <button type="button" class="small"
          onClick=${() => setOpen({ record: plan })}>Change…</button>
        <button type="button" class="small"
          onClick=${() => setOpen({ deleted: plan })}>Delete…</button>
      `,
    },
  ];
  const items = [...(list.items || [])].sort((a, b) => a.id.localeCompare(b.id));
  return html`
    <${Head} title="Plans"
      note="A change is enforced within a minute, or with the next request of a new instance.">
      <button type="button" class="primary"
        onClick=${() => setOpen({ record: null })}>New plan…</button>
    <//>
    <${Fault} error=${list.error} />
    ${
      list.items && !items.length
        ? html`<${Empty} title="No plans yet">Create one: every counted caller needs a plan.<//>`
        : html`<${Rows} label="Plans" columns=${columns} rows=${items}
          keyOf=${(plan) => plan.id} />`
    }
    <${Tail} list=${list} what="plans" />
    ${open && 'record' in open && html`<${Edit} record=${open.record} about=${about}
      onClose=${close} onDone=${done} />`}
    ${
      open?.deleted &&
      html`<${Change}
      title="Delete the plan"
      verb="Delete"
      danger
      change=${{ do: 'plan_delete', id: open.deleted.id, version: open.deleted.version }}
      about=${about}
      onClose=${close}
      onDone=${done}
    >
      <p>
        Callers of <${Name} of=${open.deleted.id} /> are refused until it is stored again. Callers
        that get the plan from a configuration or a claim cannot be found.
      </p>
    <//>`
    }
  `;
}
