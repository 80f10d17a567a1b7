// Buckets: each subject's limits as gauges, and quotas as bars.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { Gauges, Quotas } from './gauges.js';
import { Nothing, Tail, useList } from './list.js';
import { Fault, Head, Name, Search } from './parts.js';
import { Subject } from './subject.js';

const Bucket = ({ of }) => html`
  <li class="card">
    <h2>
      <a href="#buckets/${encodeURIComponent(of.subject)}"><${Name} of=${of.subject}
        most=${44} /></a>
    </h2>
    <p class="dim">
      ${of.plan ? html`plan <${Name} of=${of.plan} most=${30} />` : 'no request yet'}
      ${of.isPlanMissing && html` <span class="bad">not in the table</span>`}
    </p>
    <${Gauges} of=${of.gauges} />
    <${Quotas} of=${of.quotas} />
    ${!of.gauges.length && !of.quotas.length && html`<p class="dim">No limits.</p>`}
  </li>
`;

export function Buckets({ of, about, changes, onDone }) {
  const [search, setSearch] = useState('');
  const [follow, setFollow] = useState(about.isLocal);
  const list = useList('buckets', search, changes);
  useEffect(() => {
    if (!follow) return undefined;
    const read = () => {
      // A list of several parts stays until it is read again by hand.
      if (!document.hidden && list.parts <= 1 && list.isIdle()) list.reload();
    };
    const timer = setInterval(read, about.isLocal ? 1000 : 10_000);
    return () => clearInterval(timer);
  }, [follow, search, list.parts]);
  const items = [...(list.items || [])].sort((a, b) => a.subject.localeCompare(b.subject));
  const note = about.isLocal
    ? 'Read every second; between two reads the page computes the refill.'
    : 'A list reads the table in parts: a megabyte of it costs 128 read units.';
  const isEmpty = list.items && !items.length && !list.isReading && !list.error;
  return html`
    <${Head} title="Buckets" note=${note}>
      <label class="check">
        <input type="checkbox" checked=${follow}
          onChange=${(event) => setFollow(event.target.checked)} />
        Keep reading
      </label>
      <button type="button" onClick=${list.reload}>Read again</button>
    <//>
    <div class="filters"><${Search} label="Subject or plan" onSearch=${setSearch} /></div>
    <${Fault} error=${list.error} />
    ${
      isEmpty &&
      html`<${Nothing} list=${list} title="No buckets yet">
        A subject's first counted request makes its bucket.
        ${about.isLocal && html` <a href="#try">Send one</a>.`}
      <//>`
    }
    <ul class="cards" role="list">
      ${items.map((bucket) => html`<${Bucket} key=${bucket.subject} of=${bucket} />`)}
    </ul>
    <${Tail} list=${list} what="buckets" />
    ${
      of &&
      html`<${Subject}
      name=${of}
      about=${about}
      changes=${changes}
      onDone=${onDone}
      onClose=${() => (location.hash = 'buckets')}
    />`
    }
  `;
}
