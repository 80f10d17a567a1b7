// Buckets: each subject's limits as gauges, and quotas as bars.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { get, listed } from './api.js';
import { Empty, Fault, Head, Name, Search, Tail, useList } from './parts.js';
import { Gauges, Quotas, Subject } from './subject.js';

export function Buckets({ of, about, changes, onDone }) {
  const [search, setSearch] = useState('');
  const [follow, setFollow] = useState(about.isLocal);
  const list = useList((from) => get(listed('buckets', search, from)));
  useEffect(() => {
    list.reload();
  }, [search, changes]);
  useEffect(() => {
    if (!follow) return undefined;
    const timer = setInterval(
      () => {
        // Further pages stay until the search changes.
        const isFirstPage = (list.items?.length ?? 0) <= 100;
        if (!document.hidden && isFirstPage && list.isIdle()) list.reload();
      },
      about.isLocal ? 1000 : 10_000,
    );
    return () => clearInterval(timer);
  }, [follow, search, list.items?.length]);
  const items = [...(list.items || [])].sort((a, b) => a.subject.localeCompare(b.subject));
  const note = about.isLocal
    ? 'Read every second; between two reads the page computes the refill.'
    : 'Reading the list reads the whole table: a megabyte costs 128 read units.';
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
      list.items && !items.length && !list.error
        ? html`<${Empty} title=${search ? 'No bucket fits the search' : 'No buckets yet'}>
          ${
            search
              ? 'Search for a part of a subject or a plan.'
              : html`A subject's first counted request makes its bucket.
                ${about.isLocal && html` <a href="#try">Send one</a>.`}`
          }
        <//>`
        : html`<ul class="cards" role="list">
          ${items.map(
            (bucket) => html`<li key=${bucket.subject} class="card">
              <h2>
                <a href="#buckets/${encodeURIComponent(bucket.subject)}"><${Name}
                  of=${bucket.subject} most=${44} /></a>
              </h2>
              <p class="dim">
                ${bucket.plan ? html`plan <${Name} of=${bucket.plan}
                  most=${30} />` : 'no request yet'}
                ${bucket.isPlanMissing && html` <span class="bad">not in the table</span>`}
              </p>
              <${Gauges} of=${bucket.gauges} />
              <${Quotas} of=${bucket.quotas} />
              ${!bucket.gauges.length && !bucket.quotas.length && html`<p
                class="dim">No limits.</p>`}
            </li>`,
          )}
        </ul>`
    }
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
