// Assignments of plans and parents to subjects.

import { html, useState } from './vendor/htm-preact.js';
import { Change } from './change.js';
import { ListView, Opens, useOpen } from './list.js';
import { Field, Name } from './parts.js';
import { PlanChoice } from './plan-choice.js';

function Assign({ record, ...dialog }) {
  const [subject, setSubject] = useState(record?.subject || '');
  const [plan, setPlan] = useState(record?.plan || '');
  const [parent, setParent] = useState(record?.parent || '');
  const version = record?.version || 0;
  // A part that is as it was is not sent. An empty parent removes the one that is there.
  const changed = (value, was) => (value === (was || '') ? null : value);
  const parts = {
    plan: plan && changed(plan, record?.plan),
    parent: changed(parent.trim(), record?.parent),
  };
  const isChange = subject && (parts.plan || parts.parent !== null);
  const change = isChange
    ? { do: 'subject_assign', subject, plan: parts.plan || null, parent: parts.parent, version }
    : null;
  return html`
    <${Change} title=${record ? 'Change the assignment' : 'Assign a plan or a parent'}
      verb=${record ? 'Store' : 'Assign'} change=${change} ...${dialog}>
      ${
        record
          ? html`<p class="line"><${Name} of=${subject} most=${80} /></p>`
          : html`<${Field} label="Subject" hint="ISSUER#CLAIM, such as us-east-1_abcDEF123#client1">
            <input value=${subject} required onInput=${(event) => setSubject(event.target.value)} />
          <//>`
      }
      <${Field} label="Plan">
        <${PlanChoice} value=${plan} none=${record?.plan ? 'as it is' : 'none'}
          onChange=${setPlan} />
      <//>
      <${Field} label="Parent"
        hint="a tenant or team whose limits its requests must fit too; empty for none">
        <input value=${parent} onInput=${(event) => setParent(event.target.value)} />
      <//>
    <//>
  `;
}

const Delete = ({ record, ...dialog }) => html`
  <${Change} title="Delete the assignment" verb="Delete" danger
    change=${{ do: 'subject_unassign', subject: record.subject }} ...${dialog}>
    <p>
      <${Name} of=${record.subject} most=${80} /> then has no plan and no parent of its own. Its
      keys without a plan of their own are refused.
    </p>
  <//>
`;

export function Assignments({ about, changes, onDone }) {
  const [open, setOpen, dialog] = useOpen(about, onDone);
  const columns = [
    {
      title: 'Subject',
      cell: (it) =>
        html`<a href="#buckets/${encodeURIComponent(it.subject)}"><${Name} of=${it.subject}
          most=${60} /></a>`,
    },
    { title: 'Plan', cell: (it) => html`<${Name} of=${it.plan} most=${30} />` },
    { title: 'Parent', cell: (it) => html`<${Name} of=${it.parent} most=${40} />` },
    { title: 'Version', kind: 'right', cell: (it) => it.version },
    {
      title: 'Actions',
      kind: 'actions',
      cell: (record) => html`
        <${Opens} onClick=${() => setOpen({ form: Assign, record })}>Change…<//>
        <${Opens} onClick=${() => setOpen({ form: Delete, record })}>Delete…<//>
      `,
    },
  ];
  const note =
    about.readsAssignments === false
      ? 'This configuration reads no assignments: write plan = { assigned = true, … } in ' +
        '[throttle].'
      : "A key's own plan precedes its subject's assignment.";
  return html`
    <${ListView}
      path="assignments"
      what="assignments"
      title="Assignments"
      note=${note}
      label="Subject, plan or parent"
      columns=${columns}
      keyOf=${(it) => it.subject}
      order=${(a, b) => a.subject.localeCompare(b.subject)}
      changes=${changes}
      empty=${[
        'No assignments yet',
        'Assign a plan to a subject that needs its own, or a parent whose limits it shares.',
      ]}
      button=${html`<${Opens} kind="primary"
        onClick=${() => setOpen({ form: Assign })}>Assign…<//>`}
    >
      ${open && html`<${open.form} record=${open.record} ...${dialog} />`}
    <//>
  `;
}
