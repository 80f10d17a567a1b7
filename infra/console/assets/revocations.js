// Revocations: list, revoke, undo.

import { html, useState } from './vendor/htm-preact.js';
import { moment } from './api.js';
import { Change } from './change.js';
import { ListView, Opens, useOpen } from './list.js';
import { Field, Name, Tag } from './parts.js';

const KINDS = {
  token: 'One token, by its jti',
  session: 'A sign-in, by its origin_jti',
  user: "A user's tokens, by sub",
  client: "A client's tokens, by client id",
};

function Revoke(dialog) {
  const { about } = dialog;
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
  const hint = about.hasConfig
    ? 'by its short name in the configuration'
    : 'its name is not checked: there is no configuration';
  return html`
    <${Change} title="Revoke" verb="Revoke" danger change=${change} ...${dialog}>
      <${Field} label="What">
        <select value=${kind} onChange=${set('kind')}>
          ${Object.entries(KINDS).map(
            ([value, name]) => html`<option value=${value}>${name}</option>`,
          )}
        </select>
      <//>
      <${Field} label="Issuer" hint=${hint}>
        <input value=${issuer} list="issuers" required onInput=${set('issuer')} />
        <datalist id="issuers">
          ${about.issuers.map((name) => html`<option value=${name}></option>`)}
        </datalist>
      <//>
      <${Field} label="Id" hint="the claim's value">
        <input value=${id} required onInput=${set('id')} />
      <//>
      <div class="row">
        <${Field} label="Hours" hint="by default until no token can be accepted">
          <input type="number" min="1" value=${form.hours} onInput=${set('hours')} />
        <//>
        <${Field} label="Reason"><input value=${reason} onInput=${set('reason')} /><//>
      </div>
    <//>
  `;
}

const Undo = ({ record, ...dialog }) => html`
  <${Change} title="Undo the revocation" verb="Undo" change=${{ do: 'revoke_undo', id: record.id }}
    ...${dialog}>
    <p>
      The tokens of <${Name} of=${record.id} most=${40} /> are accepted again until they expire.
    </p>
  <//>
`;

export function Revocations({ about, changes, onDone }) {
  const [open, setOpen, dialog] = useOpen(about, onDone);
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
      cell: (record) =>
        html`<${Opens} onClick=${() => setOpen({ form: Undo, record })}>Undo…<//>`,
    },
  ];
  const { revocation } = about;
  const note = revocation
    ? `Each authorizer sees a change within ${revocation.cacheSeconds} s.`
    : about.hasConfig
      ? 'This configuration looks no revocations up: add [revocation] with table = "tollgate".'
      : 'Authorizers look revocations up if their configuration has [revocation].';
  return html`
    <${ListView}
      path="revocations"
      what="revocations"
      title="Revocations"
      note=${note}
      label="Id or reason"
      columns=${columns}
      keyOf=${(it) => it.id}
      order=${(a, b) => b.revokedAt - a.revokedAt}
      changes=${changes}
      empty=${[
        'Nothing is revoked',
        'Revoke a token, a sign-in, a user or a client: it is refused until it expires.',
      ]}
      button=${html`<${Opens} kind="primary"
        onClick=${() => setOpen({ form: Revoke })}>Revoke…<//>`}
    >
      ${open && html`<${open.form} record=${open.record} ...${dialog} />`}
    <//>
  `;
}
