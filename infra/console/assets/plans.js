// Plans: list, search, create, change, delete.

import { html, useState } from './vendor/htm-preact.js';
import { moment, number } from './api.js';
import { Change } from './change.js';
import { ListView, Opens, useOpen } from './list.js';
import { Field, Name, Tag } from './parts.js';
import { PERIODS, PlanFields } from './plan-form.js';

const NEW = { throttle: { rateLimit: 5, burstLimit: 10 }, quota: { limit: 1000, period: 'DAY' } };

/** The plan that a text is, or why it is none. */
function parsed(text) {
  try {
    const plan = JSON.parse(text);
    if (plan !== null && typeof plan === 'object' && !Array.isArray(plan)) return { plan };
    return { problem: 'write an object: { … }' };
  } catch (error) {
    return { problem: error.message };
  }
}

function Edit({ record, ...dialog }) {
  const [id, setId] = useState(record?.id || '');
  const [text, setText] = useState(() => record?.text || JSON.stringify(NEW, null, 2));
  const { plan, problem } = parsed(text);
  const version = record?.version || 0;
  const change = plan && id ? { do: 'plan_put', id, json: text, version } : null;
  return html`
    <${Change} title=${record ? `Change the plan ${record.id}` : 'New plan'}
      verb=${record ? 'Store' : 'Create'} change=${change} ...${dialog}>
      ${
        !record &&
        html`<${Field} label="Name" hint="as tokens and configurations write it">
          <input value=${id} required onInput=${(event) => setId(event.target.value)} />
        <//>`
      }
      ${
        plan &&
        html`<${PlanFields} plan=${plan}
          onPlan=${(next) => setText(JSON.stringify(next, null, 2))} />`
      }
      <${Field} label="JSON" hint="API Gateway's form, with every limit">
        <textarea
          rows="9"
          spellcheck=${false}
          value=${text}
          onInput=${(event) => setText(event.target.value)}
        ></textarea>
      <//>
      ${problem && html`<p class="fault" role="alert">not JSON: ${problem}</p>`}
      ${record && html`<p class="dim">Replaces version ${version}. What callers owe is kept.</p>`}
    <//>
  `;
}

const Delete = ({ record, ...dialog }) => html`
  <${Change} title="Delete the plan" verb="Delete" danger
    change=${{ do: 'plan_delete', id: record.id, version: record.version }} ...${dialog}>
    <p>
      Callers of <${Name} of=${record.id} /> are refused until it is stored again. Callers that get
      the plan from a configuration or a claim cannot be found. The search for keys and subjects
      that are assigned to it reads the whole table.
    </p>
  <//>
`;

/** The meters that only report, of requests and the named ones. */
const reports = ({ reports: some, meters }) =>
  some.length > meters.length ? 'only reports' : `only reports: ${some.join(', ')}`;

const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];

function quotaText({ limit, period, startDay }) {
  const day = period === 'WEEK' ? DAYS[startDay - 1] : `day ${startDay}`;
  return `${number(limit)} a ${PERIODS[period]}${startDay === 1 ? '' : ` from ${day}`}`;
}

const limits = (plan) => {
  if (plan.isUnlimited) return html`<${Tag}>unlimited<//>`;
  if (plan.isClosed) return html`<${Tag} kind="bad">closed<//>`;
  return html`
    ${plan.reports.length > 0 && html`<${Tag} kind="warn">${reports(plan)}<//> `}
    ${plan.meters.map((meter) => html`<${Tag}>${meter}<//> `)}
  `;
};

export function Plans({ about, changes, onDone }) {
  const [open, setOpen, dialog] = useOpen(about, onDone);
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
      cell: (plan) => plan.quotas.map(quotaText).join(', ') || '–',
    },
    { title: 'Version', kind: 'right', cell: (plan) => plan.version },
    { title: 'Created', kind: 'mono dim', cell: (plan) => moment(plan.created) },
    {
      title: 'Actions',
      kind: 'actions',
      cell: (record) => html`
        <${Opens} onClick=${() => setOpen({ form: Edit, record })}>Change…<//>
        <${Opens} onClick=${() => setOpen({ form: Delete, record })}>Delete…<//>
      `,
    },
  ];
  return html`
    <${ListView}
      path="plans"
      what="plans"
      title="Plans"
      note="A change is enforced within a minute, or with the next request of a new instance."
      label="Plan"
      columns=${columns}
      keyOf=${(plan) => plan.id}
      order=${(a, b) => a.id.localeCompare(b.id)}
      changes=${changes}
      empty=${['No plans yet', 'Create one: every counted caller needs a plan.']}
      button=${html`<${Opens} kind="primary"
        onClick=${() => setOpen({ form: Edit })}>New plan…<//>`}
    >
      ${open && html`<${open.form} record=${open.record} ...${dialog} />`}
    <//>
  `;
}
