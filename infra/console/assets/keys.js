// Keys: list, search, create, rotate, switch, assign.

import { html, useState } from './vendor/htm-preact.js';
import { moment } from './api.js';
import { Change } from './change.js';
import { ListView, Opens, useOpen } from './list.js';
import { Field, Name, Tag } from './parts.js';
import { PlanChoice } from './plan-choice.js';

function Create(dialog) {
  const [form, setForm] = useState({ name: '', subject: '', plan: '', days: '' });
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const change = {
    do: 'key_create',
    name: form.name || null,
    subject: form.subject || null,
    plan: form.plan || null,
    days: form.days ? Number(form.days) : null,
  };
  return html`
    <${Change} title="New key" verb="Create" change=${change} ...${dialog}>
      <${Field} label="Name" hint="for people"><input value=${form.name} onInput=${set('name')} />
        <//>
      <${Field} label="Subject" hint="counted under it; by default the key itself">
        <input value=${form.subject} onInput=${set('subject')} />
      <//>
      <div class="row">
        <${Field} label="Plan">
          <${PlanChoice} value=${form.plan} none="the subject's"
            onChange=${(plan) => setForm({ ...form, plan })} />
        <//>
        <${Field} label="Days until it expires" hint="by default never">
          <input type="number" min="1" max="36500" value=${form.days} onInput=${set('days')} />
        <//>
      </div>
    <//>
  `;
}

function Assign({ record, ...dialog }) {
  const [plan, setPlan] = useState('');
  const change = plan ? { do: 'key_assign', id: record.id, plan, version: record.version } : null;
  return html`
    <${Change} title="Assign a plan" verb="Assign" change=${change} ...${dialog}>
      <p>The key's own plan precedes its subject's.</p>
      <${Field} label="Plan">
        <${PlanChoice} value=${plan} none="choose one" onChange=${setPlan} />
      <//>
    <//>
  `;
}

function Rotate({ record, ...dialog }) {
  const [hours, setHours] = useState('24');
  const change = /^\d+$/.test(hours)
    ? { do: 'key_rotate', id: record.id, hours: Number(hours) }
    : null;
  return html`
    <${Change} title="Rotate the key" verb="Rotate" change=${change} ...${dialog}>
      <p>Makes a new key with the same subject and plan. It is shown once.</p>
      <${Field} label="Hours for which the old key stays valid">
        <input type="number" min="0" max="8760" value=${hours}
          onInput=${(event) => setHours(event.target.value)} />
      <//>
    <//>
  `;
}

function Switch({ record, ...dialog }) {
  const { id, enabled } = record;
  const verb = enabled ? 'Disable' : 'Enable';
  return html`
    <${Change} title="${verb} the key" verb=${verb} danger=${enabled}
      change=${{ do: enabled ? 'key_disable' : 'key_enable', id }} ...${dialog}>
      <p>
        Authorizers cache keys for a short time. Requests with this key are then
        ${enabled ? ' refused' : ' accepted'}.
      </p>
    <//>
  `;
}

const state = (key) => {
  if (!key.enabled) return html`<${Tag} kind="bad">disabled<//>`;
  return key.isValid
    ? html`<${Tag} kind="good">enabled<//>`
    : html`<${Tag} kind="warn">expired<//>`;
};

export function Keys({ about, changes, onDone }) {
  const [open, setOpen, dialog] = useOpen(about, onDone);
  const columns = [
    { title: 'Name', cell: (key) => html`<b><${Name} of=${key.name} most=${36} /></b>` },
    { title: 'Id', kind: 'mono dim', cell: (key) => html`<${Name} of=${key.id} most=${17} />` },
    { title: 'Subject', cell: (key) => html`<${Name} of=${key.subject} most=${28} />` },
    {
      title: 'Plan',
      cell: (key) =>
        key.plan
          ? html`<${Name} of=${key.plan} most=${20} />`
          : html`<span class="dim">the subject's</span>`,
    },
    { title: 'State', cell: state },
    {
      title: 'Expires',
      kind: 'mono dim',
      cell: (key) => (key.expires ? moment(key.expires) : 'never'),
    },
    {
      title: 'Actions',
      kind: 'actions',
      cell: (record) => html`
        <${Opens} onClick=${() => setOpen({ form: Assign, record })}>Plan…<//>
        <${Opens} onClick=${() => setOpen({ form: Rotate, record })}>Rotate…<//>
        <${Opens} onClick=${() => setOpen({ form: Switch, record })}>
          ${record.enabled ? 'Disable…' : 'Enable…'}
        <//>
      `,
    },
  ];
  return html`
    <${ListView}
      path="keys"
      what="keys"
      title="Keys"
      note="The table stores digests only: a key is shown once, when it is made."
      label="Name, id, subject or plan"
      columns=${columns}
      keyOf=${(key) => key.id}
      order=${(a, b) => (a.name || '').localeCompare(b.name || '')}
      changes=${changes}
      empty=${['No keys yet', 'Create one for a caller without tokens.']}
      button=${html`<${Opens} kind="primary"
        onClick=${() => setOpen({ form: Create })}>New key…<//>`}
    >
      ${open && html`<${open.form} record=${open.record} ...${dialog} />`}
    <//>
  `;
}
