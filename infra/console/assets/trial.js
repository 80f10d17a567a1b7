// Try it: send requests, and see what happens when parts fail.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { post, took, visible } from './api.js';
import { Command, Empty, Facts, Fault, Field, Head, Status, Tag } from './parts.js';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];
/** Headers that say something about limits. */
const TELLING = [
  'retry-after',
  'ratelimit',
  'ratelimit-policy',
  'x-amzn-errortype',
  'content-type',
];

const NO_REVOCATION =
  'This configuration looks no revocations up, so nothing would change. Add [revocation] with ' +
  'table = "tollgate" and cache_seconds = 1, and start again.';
const KEYS =
  'Tokens of an old key are accepted while the issuer publishes it, and for up to 10 minutes ' +
  'longer, while an authorizer has it in its cache.';
const TABLE =
  "While it is unavailable, connections are refused, and each plan's failure policy decides. It " +
  'keeps its data.';

function Answers({ of }) {
  const last = of[of.length - 1];
  const telling = last.headers
    .filter(([name]) => TELLING.includes(name))
    .map(([name, value]) => [name, visible(value)]);
  return html`
    ${
      of.length > 1 &&
      html`<p class="statuses" aria-label="Statuses">${of.map((answer) => html`<${Status}
        of=${answer.status} /> `)}</p>`
    }
    <div class="answer" data-testid="answer">
      <p class="line">
        <${Status} of=${last.status} /> <span
          class="dim">${of.length > 1 ? 'the last one, ' : ''}${took(last.tookUs)}</span>
      </p>
      <${Facts} of=${telling} />
      <pre class="json" tabindex="0" role="region" aria-label="Body">${pretty(last.body)}</pre>
    </div>
  `;
}

function pretty(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2).split('\n').map(visible).join('\n');
  } catch {
    return body.split('\n').map(visible).join('\n') || '(empty)';
  }
}

/** One action with its outcome. */
function Act({ title, about, children }) {
  return html`<section class="act"><h3>${title}</h3><p class="dim">${about}</p><div
    class="row">${children}</div></section>`;
}

export function Trial({ about, onDone, onAbout }) {
  const { apis, callers, isTableThere } = about.trial;
  const [form, setForm] = useState({
    api: 0,
    caller: callers.length ? '0' : '',
    method: 'GET',
    path: '/orders',
  });
  const [curl, setCurl] = useState('');
  const [answers, setAnswers] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const request = (count, preview = false) => ({
    ...form,
    api: Number(form.api),
    caller: form.caller === '' ? null : Number(form.caller),
    count,
    preview,
  });
  useEffect(() => {
    const timer = setTimeout(() => {
      post('trial/send', request(1, true)).then((answer) => {
        setCurl(answer.curl);
        setError(null);
      }, setError);
    }, 150);
    return () => clearTimeout(timer);
  }, [JSON.stringify(form)]);
  const run = async (work) => {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  const send = (count) =>
    run(async () => {
      const answer = await post('trial/send', request(count));
      setCurl(answer.curl);
      setAnswers(answer.answers);
    });
  const act = (path, body) =>
    run(async () => {
      onDone(await post(`trial/${path}`, body));
      onAbout();
    });
  const caller = form.caller === '' ? null : Number(form.caller);
  const button = (text, path, body, kind = '') =>
    html`<button type="button" class=${kind} disabled=${busy || body === null}
      onClick=${() => act(path, body)}>${text}</button>`;
  const of = (kind) => (caller === null ? null : { caller, kind });
  const isUser = caller !== null && callers[caller].kind === 'user';
  const cache = about.revocation?.cacheSeconds;
  return html`
    <${Head} title="Try it"
      note="Requests go through the gateway of this machine, as any caller's do." />
    <div class="columns trial">
      <section>
        <form
          onSubmit=${(event) => {
            event.preventDefault();
            send(1);
          }}
        >
          ${
            apis.length > 1 &&
            html`<${Field} label="API">
            <select value=${form.api} onChange=${set('api')}>
              ${apis.map((api, at) => html`<option value=${at}>${api.name}</option>`)}
            </select>
          <//>`
          }
          <${Field} label="Caller"
            hint=${caller !== null && (callers[caller].grants.join(' ') || 'no scopes or groups')}>
            <select value=${form.caller} onChange=${set('caller')}>
              <option value="">nobody: no token</option>
              ${callers.map((one, at) => html`<option
                value=${String(at)}>${one.kind} ${visible(one.name)}</option>`)}
            </select>
          <//>
          <div class="row request">
            <${Field} label="Method">
              <select value=${form.method} onChange=${set('method')}>
                ${METHODS.map((method) => html`<option value=${method}>${method}</option>`)}
              </select>
            <//>
            <${Field} label="Path">
              <input class="mono" value=${form.path} required onInput=${set('path')} />
            <//>
          </div>
          <footer class="left">
            <button type="submit" class="primary"
              disabled=${busy}>${busy ? 'Sending…' : 'Send'}</button>
            <button type="button" disabled=${busy} onClick=${() => send(20)}>Send twenty</button>
          </footer>
        </form>
        <p class="label">The same with curl</p>
        <${Command} text=${curl} />
        <${Fault} error=${error} />
        ${
          answers
            ? html`<${Answers} of=${answers} />`
            : html`<${Empty} title="No answer yet">
              Send a request. Twenty empty a small bucket: watch it under
              ${' '}<a href="#buckets">Buckets</a>.
            <//>`
        }
      </section>
      <section class="acts">
        <h2>What can happen</h2>
        <${Act} title="Revoke" about=${
          about.revocation
            ? `The caller's next requests get 401 within ${cache} s.`
            : NO_REVOCATION
        }>
          ${button('Revoke this token', 'revoke', about.revocation ? of('token') : null)}
          ${isUser && button('Revoke the user', 'revoke', about.revocation ? of('user') : null)}
          ${button('Take a new token', 'token', caller === null ? null : { caller })}
        <//>
        <${Act} title="Rotate the issuer's keys"
          about=${KEYS}>
          ${button('Rotate', 'rotate', { drop: false })}
          ${button('Rotate and drop the old keys', 'rotate', { drop: true })}
        <//>
        <${Act}
          title=${html`The table ${isTableThere ? html`<${Tag} kind="good">available<//>` : html`<${Tag}
            kind="bad">unavailable<//>`}`}
          about=${TABLE}
        >
          ${
            isTableThere
              ? button('Make the table unavailable', 'table', { there: false }, 'danger')
              : button('Make the table available', 'table', { there: true }, 'primary')
          }
        <//>
        <p class="dim">Callers, issuers and secrets here are throwaway.</p>
      </section>
    </div>
  `;
}
