// One request's whole way.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { get, moment, number, took } from './api.js';
import { Copy, Dialog, Facts, Fault, Json, Name, Status, Tag, Ticked } from './parts.js';
import { Gauges, Quotas } from './gauges.js';

const SIGNS = { ok: '✓', failed: '✕', 'not reached': '·', 'not configured': '–' };
const CLASSES = { ok: 'good', failed: 'bad', 'not reached': 'none', 'not configured': 'none' };

const Checks = ({ of }) => html`
  <ol class="checks">
    ${of.map(
      (check) => html`<li class=${CLASSES[check.result]}>
        <span class="sign" aria-hidden="true">${SIGNS[check.result]}</span>
        <span>${check.name}</span>
        <span class="hidden">: ${check.result}</span>
        ${check.result === 'not configured' && html`<small>not configured</small>`}
        ${check.detail && html`<small><${Name} of=${check.detail} most=${120} /></small>`}
      </li>`,
    )}
  </ol>
`;

/** Why there are no checks and no rules to show. */
function undecided({ decider, record }, isCached) {
  if (decider === 'gateway') return 'The gateway answered before it asked an authorizer.';
  if (decider === 'nobody') return 'No authorizer guards this route.';
  if (decider === 'other') return 'Another authorizer decided it.';
  if (isCached) return 'The API had the result in its cache: the authorizer was not asked.';
  return record
    ? 'The record line says what went wrong, but not at which check.'
    : 'The authorizer left no record line of this request.';
}

/** Why this authorizer's rules did not decide. */
function withoutRules(detail, isCached) {
  if (detail.decider !== 'tollgate' || !detail.checks.length) return undecided(detail, isCached);
  const isReached = detail.checks.some((it) => it.name === 'rules' && it.result !== 'not reached');
  return isReached ? 'There is no token that could be explained.' : 'A check before them failed.';
}

const Explanation = ({ of }) => html`
  <p>
    <code>${of.request}</code>: <b><${Ticked} of=${of.verdict} /></b>
  </p>
  <ul class="rules">
    ${of.rules.map(
      (rule) => html`<li class=${rule.reason === 'elsewhere' ? 'dim' : ''}>
        <b><${Name} of=${rule.rule} /></b> <span><${Ticked} of=${rule.text} /></span>
      </li>`,
    )}
  </ul>
`;

function Policy({ of, arn }) {
  const place = arn.split(':').slice(5).join(':');
  return html`
    <p class="dim">
      ${number(of.bytes)} bytes. The resource that matches <code>${place}</code> is marked.
    </p>
    <ul class="policy" role="list">
      ${of.resources.map(
        (
          one,
        ) => html`<li
          class=${one.isMatch ? `match ${one.effect === 'Allow' ? 'good' : 'bad'}` : ''}>
          <span class="effect">${one.effect}${one.field === 'NotResource' ? ' rest' : ''}</span>
          <code><${Name} of=${one.resource.split(':').slice(5).join(':') || one.resource}
            most=${100} /></code>
          ${one.isMatch && html`<span class="hidden">(matches)</span>`}
          ${one.condition && html`<small>if ${JSON.stringify(one.condition)}</small>`}
        </li>`,
      )}
    </ul>
  `;
}

/** The request's time as a bar: gateway, authorizer, backend. */
function Times({ of, isCold, hasMetrics }) {
  const parts = [
    ['authorizer', of.authorizer],
    ['backend', of.backend],
  ].filter(([, us]) => us);
  const gateway = Math.max(0, of.total - parts.reduce((sum, [, us]) => sum + us, 0));
  const all = [['gateway', gateway], ...parts];
  const inside = Object.entries(of.inside);
  return html`
    <svg class="times" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
      ${all.map(([name, us], at) => {
        const x = all.slice(0, at).reduce((sum, [, before]) => sum + before, 0);
        const scale = (value) => (1000 * value) / Math.max(1, of.total);
        return html`<rect class=${name} x=${scale(x)} y="0" width=${scale(us)} height="10"></rect>`;
      })}
    </svg>
    <${Facts}
      of=${[
        ...all.map(([name, us]) => [name, html`<span class="key ${name}"></span>${took(us)}`]),
        ['in all', took(of.total)],
        ...inside.map(([name, us]) => [
          name === 'duration' ? 'authorizer, inside' : `for ${name}`,
          [us].flat().map(took).join(', '),
        ]),
        [
          'start',
          isCold === null || !hasMetrics ? null : isCold ? 'cold: its first request' : 'warm',
        ],
      ]}
    />
    ${
      hasMetrics === false &&
      html`<p class="dim">
      Table time and cold starts come from the metrics of the record line,
      which <code>--log json</code> leaves as the configuration has them.
    </p>`
    }
  `;
}

function Limits({ context, subject }) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    if (subject) {
      get(`subject?name=${encodeURIComponent(subject)}`).then(
        (read) => setFound(read.bucket),
        () => {},
      );
    }
  }, [subject]);
  if (!context || !context.plan) return html`<p class="dim">Nothing was charged.</p>`;
  const wait = context.retryAfter;
  return html`
    <${Facts}
      of=${[
        ['plan', html`<${Name} of=${context.plan} />`],
        [
          'subject',
          html`<a href="#buckets/${encodeURIComponent(subject)}"><${Name} of=${subject} /></a>`,
        ],
        ['limit', context.limit],
        ['of the parent', context.limitOf && html`<${Name} of=${context.limitOf} />`],
        ['remaining', context.remaining],
        ['retry after', wait && `${wait} s`],
        ['throttled', context.throttled && 'yes'],
      ]}
    />
    ${
      found &&
      html`<p class="label">The bucket now</p>
      <${Gauges} of=${found.gauges} /><${Quotas} of=${found.quotas} />`
    }
  `;
}

const TIMES = ['auth_time', 'iat', 'nbf', 'exp'];

function Token({ of }) {
  const times = TIMES.filter((name) => typeof of.claims[name] === 'number');
  return html`
    <p class="dim">Decoded for display. The signature is not kept.</p>
    <p class="label">Header</p>
    <${Json} of=${of.header} label="Token header" />
    <p class="label">Claims</p>
    <${Json} of=${of.claims} label="Token claims" />
    <${Facts} of=${times.map((name) => [name, moment(of.claims[name] * 1000)])} />
  `;
}

export function Request({ id, onClose }) {
  const [detail, setDetail] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    setDetail(null);
    setError(null);
    get(`requests/${encodeURIComponent(id)}`).then(setDetail, setError);
  }, [id]);
  const request = detail?.request;
  const kinds = {
    'rest-token': 'REST TOKEN',
    'rest-request': 'REST REQUEST',
    'http-1.0': 'HTTP 1.0',
    'http-2.0': 'HTTP 2.0',
    websocket: 'WebSocket',
  };
  return html`
    <${Dialog} title=${request ? `Request ${request.id}` : 'Request'} onClose=${onClose} wide>
      <${Fault} error=${error} />
      ${
        detail &&
        html`
        <p class="line">
          <${Status} of=${request.status} /> <b>${request.method}</b> <${Name} of=${request.path}
            most=${100} />
        </p>
        <${Facts}
          kind="two"
          of=${[
            ['time', new Date(request.at).toISOString()],
            ['API', request.api],
            ['event', kinds[detail.kind] || detail.kind],
            ['caller', html`<${Name} of=${request.caller} />`],
            ['principal', detail.principal && html`<${Name} of=${detail.principal} />`],
            ['code', request.code && html`<code>${request.code}</code>`],
            ['reason', request.reason && html`<${Name} of=${request.reason} most=${160} />`],
            ['cache', request.isCached ? html`<${Tag}>the API had the result<//>` : null],
          ]}
        />
        <div class="columns">
          <section>
            <h3>Checks</h3>
            ${
              detail.checks.length
                ? html`<${Checks} of=${detail.checks} />`
                : html`<p class="dim">${undecided(detail, request.isCached)}</p>`
            }
            <h3>Rules</h3>
            ${
              detail.explanation
                ? html`<${Explanation} of=${detail.explanation} />`
                : html`<p class="dim">${withoutRules(detail, request.isCached)}</p>`
            }
            <h3>Limits</h3>
            <${Limits} context=${detail.decider === 'tollgate' ? detail.context : null}
              subject=${detail.subject} />
          </section>
          <section>
            <h3>Time</h3>
            <${Times} of=${detail.times} isCold=${detail.isCold} hasMetrics=${detail.hasMetrics} />
            <h3>Policy</h3>
            ${
              detail.policy
                ? html`<${Policy} of=${detail.policy} arn=${detail.arn} />`
                : html`<p class="dim">No authorizer returned one for this request.</p>`
            }
            ${
              detail.token &&
              html`<details>
              <summary><h3>Token</h3></summary>
              <${Token} of=${detail.token} />
            </details>`
            }
            ${
              detail.record &&
              html`<details>
              <summary><h3>Record line</h3></summary>
              <${Json} of=${detail.record} label="Record line" />
            </details>`
            }
          </section>
        </div>
        <footer><${Copy} text=${JSON.stringify(detail, null, 2)} label="Copy as JSON" /></footer>
      `
      }
    <//>
  `;
}
