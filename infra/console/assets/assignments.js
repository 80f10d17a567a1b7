// Assignments of plans to subjects.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { get, listed } from './api.js';
import { Change } from './change.js';
import { Empty, Fault, Field, Head, Name, Rows, Search, Tail, useList } from './parts.js';
import { PlanChoice } from './keys.js';

function Assign({ record, about, onClose, onDone }) {
  const [subject, setSubject] = useState(record?.subject || '');
  const [plan, setPlan] = useState(record?.plan || '');
  const version = record?.version || 0;
  const change = subject && plan ? { do: 'subject_assign', subject, plan, version } : null;
  return html`
    <${Change} title="Assign a plan" verb="Assign" change=${change} about=${about}
      onClose=${onClose} onDone=${onDone}>
      ${
        record
          ? html`<p>To <${Name} of=${subject} most=${80} />.</p>`
          : html`<${Field} label="Subject" hint="ISSUER#CLAIM, such as us-east-1_abcDEF123#client1">
            <input value=${subject} required onInput=${(event) => setSubject(event.target.value)} />
          <//>`
      }
      <${Field} label="Plan"><${PlanChoice} value=${plan} none="choose one" onChange=${setPlan} />
        <//>
    <//>
  `;
}

export function Assignments({ about, changes, onDone }) {
  const [search, setSearch] = useState('');
  const [open, setOpen] = useState(null);
  const list = useList((from) => get(listed('assignments', search, from)));
  useEffect(() => {
    list.reload();
  }, [search, changes]);
  const close = () => setOpen(null);
  const done = (what) => {
    close();
    onDone(what);
  };
  const columns = [
    {
      title: 'Subject',
      cell: (it) =>
        html`<a href="#buckets/${encodeURIComponent(it.subject)}"><${Name} of=${it.subject}
          most=${60} /></a>`,
    },
    { title: 'Plan', cell: (it) => html`<${Name} of=${it.plan} most=${30} />` },
    { title: 'Version', kind: 'right', cell: (it) => it.version },
    {
      title: 'Actions',
      kind: 'actions',
      cell: (it) => html`
        <button type="button" class="small"
          onClick=${() => setOpen({ record: it })}>Change…</button>
        <button type="button" class="small"
          onClick=${() => setOpen({ deleted: it })}>Delete…</button>
      `,
    },
  ];
  const items = [...(list.items || [])].sort((a, b) => a.subject.localeCompare(b.subject));
  const note =
    about.readsAssignments === false
      ? 'This configuration reads no assignments: write plan = { assigned = true, … } in [throttle].'
      : "A key's own plan precedes its subject's assignment.";
  return html`
    <${Head} title="Assignments" note=${note}>
      <button type="button" class="primary"
        onClick=${() => setOpen({ record: null })}>Assign…</button>
    <//>
    <div class="filters"><${Search} label="Subject or plan" onSearch=${setSearch} /></div>
    <${Fault} error=${list.error} />
    ${
      list.items && !items.length
        ? html`<${Empty} title=${search ? 'No assignment fits the search' : 'No assignments yet'}>
          ${search ? 'Search for a part of a subject or a plan.' : 'Assign a plan to a subject that needs its own.'}
        <//>`
        : html`<${Rows} label="Assignments" columns=${columns} rows=${items}
          keyOf=${(it) => it.subject} />`
    }
    <${Tail} list=${list} what="assignments" />
    ${open && 'record' in open && html`<${Assign} record=${open.record} about=${about}
      onClose=${close} onDone=${done} />`}
    ${
      open?.deleted &&
      html`<${Change}
      title="Delete the assignment"
      verb="Delete"
      danger
      change=${{ do: 'subject_unassign', subject: open.deleted.subject }}
      about=${about}
      onClose=${close}
      onDone=${done}
    >
      <p>
        Of <${Name} of=${open.deleted.subject} most=${80} /> to <${Name} of=${open.deleted.plan} />.
        Its keys without a plan of their own are then refused.
      </p>
    <//>`
    }
  `;
}
