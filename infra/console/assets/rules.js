// Rules: who may call what, findings, and what an edited copy would change.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { get, number, post, visible } from './api.js';
import { Copy, Empty, Fault, Head, Name, Tag, Ticked } from './parts.js';

const CELLS = {
  allowed: ['✓', 'allow', 'good'],
  partly: ['◐', 'partly', 'warn'],
  denied: ['✕', 'deny', 'bad'],
  nothing: ['·', 'no', 'none'],
};

const Cell = ({ of }) => {
  const [sign, word, kind] = CELLS[of];
  return html`<span class="cell ${kind}"><span aria-hidden="true">${sign}</span> ${word}</span>`;
};

const Matrix = ({ of }) => html`
  <div class="scroll" tabindex="0" role="region" aria-label="Matrix">
    <table class="matrix">
      <thead>
        <tr>
          <th scope="col">Route</th>
          ${of.holders.map(
            (holder) => html`<th scope="col">
              ${holder.kind !== 'everyone' && html`<small>${holder.kind}</small>`}
              <${Name} of=${holder.name} most=${24} />
            </th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${of.rows.map(
          (row) => html`<tr>
            <th scope="row" class="mono"><${Name} of=${row.route} most=${48} /></th>
            ${row.cells.map((cell) => html`<td><${Cell} of=${cell} /></td>`)}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>
  <p class="dim">
    partly: it depends on something else, such as a claim, a client, a stage or another scope.
  </p>
`;

const SEVERITIES = { error: 'bad', warning: 'warn', note: 'plain' };

const Findings = ({ of }) =>
  of.length
    ? html`<ul class="findings" role="list">
        ${of.map(
          (finding) => html`<li>
            <p>
              <${Tag} kind=${SEVERITIES[String(finding.severity).toLowerCase()] || 'plain'}>
                ${finding.severity}
              <//>
              <b> ${finding.rule ? visible(finding.rule) : 'configuration'}</b>
              ${' '}<code>${finding.code}</code>
            </p>
            <p><${Ticked} of=${finding.text} /></p>
            <p class="dim"><${Ticked} of=${finding.mend} /></p>
          </li>`,
        )}
      </ul>`
    : html`<p class="good-note">✓ Nothing found.</p>`;

/** What the copy gives and takes. */
const Changes = ({ of }) =>
  of.length
    ? html`<div class="scroll" tabindex="0" role="region" aria-label="Changes">
        <table>
          <thead>
            <tr><th scope="col">Route</th><th scope="col">For</th><th scope="col">Was</th><th
              scope="col">Is</th></tr>
          </thead>
          <tbody>
            ${of.map(
              (change) => html`<tr>
                <td class="mono" data-label="Route"><${Name} of=${change.route} /></td>
                <td data-label="For"><${Name} of=${change.holder} /></td>
                <td data-label="Was"><${Cell} of=${change.was} /></td>
                <td data-label="Is"><${Cell} of=${change.is} /></td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>`
    : html`<p class="dim">The copy gives and takes nothing.</p>`;

export function Rules() {
  const [rules, setRules] = useState(null);
  const [error, setError] = useState(null);
  const [text, setText] = useState(null);
  const [checked, setChecked] = useState(null);
  useEffect(() => {
    get('rules').then((read) => {
      setRules(read);
      setText(read.text);
    }, setError);
  }, []);
  const isEdited = rules && text !== rules.text;
  useEffect(() => {
    if (!isEdited) {
      setChecked(null);
      return undefined;
    }
    const timer = setTimeout(() => {
      post('rules/check', { text }).then(setChecked, (problem) =>
        setChecked({ error: problem.message }),
      );
    }, 250);
    return () => clearTimeout(timer);
  }, [text]);
  if (error?.status === 404) {
    return html`<${Head} title="Rules" /><${Empty} title="No configuration">
      Start the console with <code>--config tollgate.toml</code> to see who may call what.
    <//>`;
  }
  if (!rules) return html`<${Head} title="Rules" /><${Fault} error=${error} />`;
  const shown = checked && !checked.error ? checked : rules;
  const note = html`<${Name}
    of=${rules.place} />: ${number(shown.greatest)} of ${number(shown.limit)} bytes for a
    caller who meets every rule`;
  return html`
    <${Head} title="Rules" note=${note}>
      ${isEdited && html`<${Tag} kind="warn">an edited copy is shown<//>`}
    <//>
    <${Matrix} of=${shown} />
    <h2>Findings</h2>
    <${Findings} of=${shown.findings} />
    <h2>Edit a copy</h2>
    <p class="dim">
      Nothing is stored: the authorizer goes on with its own. Copy the text into your file when it
      is right.
    </p>
    <div class="columns editor">
      <section>
        <textarea
          aria-label="Configuration"
          spellcheck=${false}
          rows="22"
          value=${text}
          onInput=${(event) => setText(event.target.value)}
        ></textarea>
        <footer class="left">
          <${Copy} text=${text} label="Copy the text" />
          <button type="button" class="small" disabled=${!isEdited}
            onClick=${() => setText(rules.text)}>Discard the edits</button>
        </footer>
      </section>
      <section aria-live="polite">
        <h3>What it changes</h3>
        ${!isEdited && html`<p
          class="dim">Edit the text, and this shows at once what it gives to whom.</p>`}
        ${
          checked?.error &&
          html`<p class="fault" role="alert"><${Ticked} of=${checked.error} /></p>`
        }
        ${checked?.changes && html`<${Changes} of=${checked.changes} />`}
      </section>
    </div>
  `;
}
