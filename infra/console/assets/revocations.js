// Revocations: list, revoke, undo.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { get, listed, moment } from './api.js';
import { Change } from './change.js';
import { Empty, Fault, Field, Head, Name, Rows, Search, Tag, Tail, useList } from './parts.js';

const KINDS = {
  token: 'One token, by its jti',
  session: 'A sign-in, by its origin_jti',
  user: "A user's tokens, by sub",
  client: "A client's tokens, by client id",
};

function Revoke({ about, onClose, onDone }) {
  const [form, setForm] = useState({
    kind: 'user',
    issuer: about.issuers[0] || '',
    id: '',
    hours: '',
    reason: '',
  });
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const { kind, issuer, id, reason } = form;
  const hours = form.hours ? Number(form.hours) : null;
  const change =
    issuer && id ? { do: 'revoke', kind, issuer, id, hours, reason: reason || null } : null;
  return html`
    <${Change} title="Revoke" verb="Revoke" danger change=${change} about=${about}
      onClose=${onClose} onDone=${onDone}>
      <${Field} label="What">
        <select value=${kind} onChange=${set('kind')}>
          ${Object.entries(KINDS).map(([value, name]) => html`<option
            value=${value}>${name}</option>`)}
        </select>
      <//>
      <${Field} label="Issuer"
        hint=${about.hasConfig ? 'by its short name in the configuration' : 'its name is not checked: there is no configuration'}>
        <input value=${issuer} list="issuers" required onInput=${set('issuer')} />
        <datalist id="issuers">${about.issuers.map((name) => html`<option value=${name}>
          </option>`)}</datalist>
      <//>
      <${Field} label="Id" hint="the claim's value"><input value=${id} required
        onInput=${set('id')} /><//>
      <div class="row">
        <${Field} label="Hours" hint="by default until no token can be accepted">
          <input type="number" min="1" value=${form.hours} onInput=${set('hours')} />
        <//>
        <${Field} label="Reason"><input value=${reason} onInput=${set('reason')} /><//>
      </div>
    <//>
  `;
}

export function Revocations({ about, changes, onDone }) {
  const [search, setSearch] = useState('');
  const [open, setOpen] = useState(null);
  const list = useList((from) => get(listed('revocations', search, from)));
  useEffect(() => {
    list.reload();
  }, [search, changes]);
  const close = () => setOpen(null);
  const done = (what) => {
    close();
    onDone(what);
  };
  const columns = [
    { title: 'Kind', cell: (it) => html`<${Tag}>${it.kind}<//>` },
    { title: 'Id', kind: 'mono', cell: (it) => html`<${Name} of=${it.id} most=${30} />` },
    { title: 'Revoked', kind: 'mono dim', cell: (it) => moment(it.revokedAt) },
    { title: 'Until', kind: 'mono dim', cell: (it) => moment(it.expires) },
    {
      title: 'Tokens issued before',
      kind: 'mono dim',
      cell: (it) => (it.issuedBefore ? moment(it.issuedBefore) : 'all'),
    },
    { title: 'Reason', cell: (it) => html`<${Name} of=${it.reason} most=${40} />` },
    {
      title: 'Actions',
      kind: 'actions',
      cell: (it) =>
        html`<button type="button" class="small"
          onClick=${() => setOpen({ undone: it })}>Undo…</button>`,
    },
  ];
  const items = [...(list.items || [])].sort((a, b) => b.revokedAt - a.revokedAt);
  const { revocation } = about;
  const note = revocation
    ? `Each authorizer sees a change within ${revocation.cacheSeconds} s.`
    : about.hasConfig
      ? 'This configuration looks no revocations up: add [revocation] with a table.'
      : 'Authorizers look revocations up if their configuration has [revocation].';
  return html`
    <${Head} title="Revocations" note=${note}>
      <button type="button" class="primary" onClick=${() => setOpen('revoke')}>Revoke…</button>
    <//>
    <div class="filters"><${Search} label="Id or reason" onSearch=${setSearch} /></div>
    <${Fault} error=${list.error} />
    ${
      list.items && !items.length
        ? html`<${Empty} title=${search ? 'No revocation fits the search' : 'Nothing is revoked'}>
          Revoke a token, a sign-in, a user or a client, and it is refused until it expires.
        <//>`
        : html`<${Rows} label="Revocations" columns=${columns} rows=${items}
          keyOf=${(it) => it.id} />`
    }
    <${Tail} list=${list} what="revocations" />
    ${open === 'revoke' && html`<${Revoke} about=${about} onClose=${close} onDone=${done} />`}
    ${
      open?.undone &&
      html`<${Change}
      title="Undo the revocation"
      verb="Undo"
      change=${{ do: 'revoke_undo', id: open.undone.id }}
      about=${about}
      onClose=${close}
      onDone=${done}
    >
      <p>The tokens of <${Name} of=${open.undone.id}
        most=${40} /> are accepted again until they expire.</p>
    <//>`
    }
  `;
}
