// Keys: list, search, create, rotate, switch, assign.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { get, listed, moment } from './api.js';
import { Change } from './change.js';
import { Empty, Fault, Field, Head, Name, Rows, Search, Tag, Tail, useList } from './parts.js';

/** The plans of the table, for choosing one. */
export function usePlans() {
  const [plans, setPlans] = useState([]);
  useEffect(() => {
    get('plans').then(
      (page) => setPlans(page.items.map((plan) => plan.id).sort()),
      () => {},
    );
  }, []);
  return plans;
}

export const PlanChoice = ({ value, onChange, none }) => {
  const plans = usePlans();
  return html`<select value=${value} onChange=${(event) => onChange(event.target.value)}>
    <option value="">${none}</option>
    ${plans.map((plan) => html`<option value=${plan}>${plan}</option>`)}
  </select>`;
};

function Create({ about, onClose, onDone }) {
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
    <${Change} title="New key" verb="Create" change=${change} about=${about} onClose=${onClose}
      onDone=${onDone}>
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

function Assign({ record, about, onClose, onDone }) {
  const [plan, setPlan] = useState('');
  const change = plan ? { do: 'key_assign', id: record.id, plan, version: record.version } : null;
  return html`
    <${Change} title="Assign a plan" verb="Assign" change=${change} about=${about}
      onClose=${onClose} onDone=${onDone}>
      <p>The key's own plan precedes its subject's.</p>
      <${Field} label="Plan"><${PlanChoice} value=${plan} none="choose one" onChange=${setPlan} />
        <//>
    <//>
  `;
}

function Rotate({ record, about, onClose, onDone }) {
  const [hours, setHours] = useState('24');
  const change = /^\d+$/.test(hours)
    ? { do: 'key_rotate', id: record.id, hours: Number(hours) }
    : null;
  return html`
    <${Change} title="Rotate the key" verb="Rotate" change=${change} about=${about}
      onClose=${onClose} onDone=${onDone}>
      <p>Makes a new key with the same subject and plan. It is shown once.</p>
      <${Field} label="Hours for which the old key stays valid">
        <input type="number" min="0" max="8760" value=${hours}
          onInput=${(event) => setHours(event.target.value)} />
      <//>
    <//>
  `;
}

const FORMS = { create: Create, assign: Assign, rotate: Rotate };

const state = (key) => {
  if (!key.enabled) return html`<${Tag} kind="bad">disabled<//>`;
  return key.isValid
    ? html`<${Tag} kind="good">enabled<//>`
    : html`<${Tag} kind="warn">expired<//>`;
};

export function Keys({ about, changes, onDone }) {
  const [search, setSearch] = useState('');
  const [open, setOpen] = useState(null);
  const list = useList((from) => get(listed('keys', search, from)));
  useEffect(() => {
    list.reload();
  }, [search, changes]);
  const close = () => setOpen(null);
  const done = (what) => {
    close();
    onDone(what);
  };
  const action = (name, form) => (record) =>
    html`<button type="button" class="small"
      onClick=${() => setOpen({ form, record })}>${name}</button>`;
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
      cell: (key) => html`
        ${action('Plan…', 'assign')(key)} ${action('Rotate…', 'rotate')(key)}
        ${action(key.enabled ? 'Disable…' : 'Enable…', 'switch')(key)}
      `,
    },
  ];
  const items = [...(list.items || [])].sort((a, b) => (a.name || '').localeCompare(b.name || ''));
  const Form = FORMS[open?.form];
  return html`
    <${Head} title="Keys" note="The table has digests alone: a key is shown once, when it is made.">
      <button type="button" class="primary"
        onClick=${() => setOpen({ form: 'create' })}>New key…</button>
    <//>
    <div class="filters"><${Search} label="Name, id, subject or plan" onSearch=${setSearch} /></div>
    <${Fault} error=${list.error} />
    ${
      list.items && !items.length
        ? html`<${Empty} title=${search ? 'No key fits the search' : 'No keys yet'}>
          ${search ? 'Search for a part of a name.' : 'Create one for a caller without tokens.'}
        <//>`
        : html`<${Rows} label="Keys" columns=${columns} rows=${items} keyOf=${(key) => key.id} />`
    }
    <${Tail} list=${list} what="keys" />
    ${Form && html`<${Form} record=${open.record} about=${about} onClose=${close}
      onDone=${done} />`}
    ${
      open?.form === 'switch' &&
      html`<${Change}
      title=${open.record.enabled ? 'Disable the key' : 'Enable the key'}
      verb=${open.record.enabled ? 'Disable' : 'Enable'}
      danger=${open.record.enabled}
      change=${{ do: open.record.enabled ? 'key_disable' : 'key_enable', id: open.record.id }}
      about=${about}
      onClose=${close}
      onDone=${done}
    >
      <p>
        Authorizers cache keys for a short time.
        ${open.record.enabled ? ' Requests with this key are then refused.' : ' Requests with this key are then accepted.'}
      </p>
    <//>`
    }
  `;
}
