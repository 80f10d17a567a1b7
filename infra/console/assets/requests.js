// Requests, live.

import { html, useEffect, useRef, useState } from './vendor/htm-preact.js';
import { clock, get, number, took } from './api.js';
import { Empty, Head, Name, Rows, Status, Tag } from './parts.js';
import { Request } from './request.js';

/** The requests that this page keeps; the server keeps as many. */
const KEPT = 500;
/** The rows that are drawn, and those of a sample, which are others a second later. */
const DRAWN = 100;
const SAMPLE_DRAWN = 30;

/** The states of the connection, as the page says them. */
export const LINKS = {
  live: 'Live',
  lost: 'Connection lost: trying again',
  full: 'Too many pages follow the requests: close one',
};

/**
 * The requests as the server sends them. A lost connection is tried again. A page that nobody sees
 * leaves its place to others, because a browser has few connections to one server.
 */
export function useRequests(isLocal) {
  const [state, setState] = useState({
    link: 'live',
    requests: [],
    total: 0,
    rate: 0,
    shownRate: 0,
  });
  const marks = useRef([]);
  useEffect(() => {
    if (!isLocal) return undefined;
    let source;
    let timer;
    const say = (link) => setState((old) => ({ ...old, link }));
    const end = () => {
      clearTimeout(timer);
      source?.close();
      source = null;
    };
    const again = (link) => {
      say(link);
      // After some errors the browser does not try again by itself.
      end();
      timer = setTimeout(connect, 2000);
    };
    const told = (event) => {
      const { requests, total, shown } = JSON.parse(event.data);
      const now = performance.now();
      marks.current = [
        ...marks.current.filter((mark) => now - mark.at < 2000),
        { at: now, total, shown },
      ];
      const first = marks.current[0];
      const seconds = Math.max(1, (now - first.at) / 1000);
      setState((old) => {
        const last = old.requests.length ? old.requests[0].id : 0;
        const isNew = shown < last; // The console was started again.
        const known = isNew ? [] : old.requests;
        const fresh = requests.filter((request) => isNew || request.id > last).reverse();
        return {
          link: 'live',
          requests: [...fresh, ...known].slice(0, KEPT),
          total,
          rate: Math.round((total - first.total) / seconds),
          shownRate: Math.round((shown - first.shown) / seconds),
        };
      });
    };
    const connect = () => {
      source = new EventSource('/api/requests');
      source.onerror = () => again('lost');
      source.onmessage = told;
      source.addEventListener('full', () => again('full'));
    };
    const turned = () => {
      end();
      if (!document.hidden) connect();
    };
    turned();
    document.addEventListener('visibilitychange', turned);
    return () => {
      document.removeEventListener('visibilitychange', turned);
      end();
    };
  }, [isLocal]);
  return state;
}

const STATUSES = {
  all: () => true,
  ok: (request) => request.status < 400,
  401: (request) => request.status === 401,
  403: (request) => request.status === 403,
  429: (request) => request.status === 429,
  '5xx': (request) => request.status >= 500,
};

function matches(request, filter) {
  const has = (text, part) =>
    !part ||
    String(text ?? '')
      .toLowerCase()
      .includes(part.toLowerCase());
  return (
    STATUSES[filter.status](request) &&
    has(request.caller, filter.caller) &&
    has(`${request.method} ${request.path}`, filter.route)
  );
}

const left = (request) =>
  request.remaining === null ? '' : `${number(request.remaining)} of ${number(request.limit)}`;

const COLUMNS = [
  { title: 'Time', kind: 'mono dim', cell: (request) => clock(request.at) },
  {
    title: 'Request',
    kind: 'mono wide',
    cell: (request) => html`<b>${request.method}</b> <${Name} of=${request.path} most=${60} />`,
  },
  { title: 'Status', cell: (request) => html`<${Status} of=${request.status} />` },
  {
    title: 'Caller',
    cell: (request) => html`
      <${Name} of=${request.caller} most=${32} />
      ${request.caller && !request.isVerified && html` <${Tag} kind="warn">unverified<//>`}
    `,
  },
  { title: 'Plan', cell: (request) => html`<${Name} of=${request.plan} most=${20} />` },
  { title: 'Left', kind: 'right', cell: left },
  {
    title: 'Why',
    kind: 'wide',
    cell: (request) => html`
      ${request.isCached && html`<${Tag}>cached<//> `}
      ${request.isThrottled && request.status < 400 && html`<${Tag} kind="warn">throttled<//>`}
      ${request.status >= 400 && html`<span class="dim">${why(request)}</span>`}
    `,
  },
  { title: 'Took', kind: 'right mono', cell: (request) => took(request.tookUs) },
];

function why(request) {
  if (request.status === 429 && request.retryAfter) return `retry in ${request.retryAfter} s`;
  return html`<${Name} of=${request.reason || request.code} most=${44} />`;
}

/** Saves the requests with their details as a file. */
async function save(requests) {
  const details = [];
  for (const { id } of requests) {
    details.push(await get(`requests/${id}`).catch((error) => ({ id, error: error.message })));
  }
  const link = document.createElement('a');
  const blob = new Blob([JSON.stringify(details, null, 2)], { type: 'application/json' });
  link.href = URL.createObjectURL(blob);
  link.download = 'requests.json';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export function Requests({ live, of, about }) {
  const [filter, setFilter] = useState({ status: 'all', caller: '', route: '' });
  const [paused, setPaused] = useState(null);
  const [saving, setSaving] = useState(false);
  const all = paused || live.requests;
  const found = all.filter((request) => matches(request, filter));
  const set = (name) => (event) => setFilter({ ...filter, [name]: event.target.value });
  const open = (request) => {
    location.hash = `requests/${request.id}`;
  };
  const isSampled = live.rate > live.shownRate + 5;
  const drawn = isSampled && !paused ? SAMPLE_DRAWN : DRAWN;
  const exported = async () => {
    setSaving(true);
    await save(found);
    setSaving(false);
  };
  const note = isSampled
    ? `${number(live.rate)} requests a second: a sample of ${number(live.shownRate)} is shown`
    : `${number(live.total)} answered since the start`;
  return html`
    <${Head} title="Requests" note=${note}>
      <button
        type="button"
        aria-pressed=${Boolean(paused)}
        onClick=${() => setPaused(paused ? null : live.requests)}
      >
        ${paused ? 'Go on' : 'Pause'}
      </button>
      <button type="button" disabled=${!found.length || saving} onClick=${exported}>
        ${saving ? 'Saving…' : 'Save as JSON'}
      </button>
    <//>
    <div class="filters">
      <select aria-label="Status" value=${filter.status} onChange=${set('status')}>
        <option value="all">Every status</option>
        <option value="ok">Below 400</option>
        <option value="401">401</option>
        <option value="403">403</option>
        <option value="429">429</option>
        <option value="5xx">500 and above</option>
      </select>
      <input type="search" aria-label="Caller" placeholder="Caller" value=${filter.caller}
        onInput=${set('caller')} />
      <input type="search" aria-label="Route" placeholder="Route" value=${filter.route}
        onInput=${set('route')} />
    </div>
    ${
      found.length
        ? html`<${Rows}
          label="Requests"
          columns=${COLUMNS}
          rows=${found.slice(0, drawn)}
          keyOf=${(request) => request.id}
          onOpen=${open}
          isOpen=${(request) => String(request.id) === of}
        />`
        : html`<${Empty} title=${all.length ? 'No request fits the filter' : 'No requests yet'}>
          ${
            all.length
              ? 'Change the filter above.'
              : html`Send one under <a href="#try">Try it</a>, or paste a command from the terminal.
                Each request appears here as it is answered.`
          }
        <//>`
    }
    ${found.length > drawn && html`<p
      class="dim more">The latest ${drawn} of ${found.length} are shown.</p>`}
    ${of && html`<${Request} id=${of} about=${about}
      onClose=${() => (location.hash = 'requests')} />`}
  `;
}
