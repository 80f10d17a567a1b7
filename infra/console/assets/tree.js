// A subject's place in a hierarchy: its parents, and the subjects within it.

import { html, useState } from './vendor/htm-preact.js';
import { Gauges, Quotas } from './gauges.js';
import { Tail, useList } from './list.js';
import { Fault, Name } from './parts.js';

const Limits = ({ of: { bucket, isDamaged } }) => {
  if (isDamaged) return html`<p class="fault">Its bucket is damaged: repair or reset it.</p>`;
  return bucket
    ? html`<${Gauges} of=${bucket.gauges} /><${Quotas} of=${bucket.quotas} />`
    : html`<p class="dim">It has used nothing.</p>`;
};

/** One subject of the tree. */
const Member = ({ of, children }) => {
  const plan = of.bucket?.plan || of.assigned;
  return html`
    <li>
      <a href="#buckets/${encodeURIComponent(of.subject)}"><${Name} of=${of.subject}
        most=${60} /></a>
      <span class="dim"> ${plan ? html`plan <${Name} of=${plan} most=${30} />` : 'no plan'}</span>
      <${Limits} of=${of} />
      ${children}
    </li>
  `;
};

/** The subjects that are assigned this one as parent; each can be opened in turn. */
function Members({ of, changes }) {
  const list = useList('children', of, changes);
  const items = [...(list.items || [])].sort((a, b) => a.subject.localeCompare(b.subject));
  const isEmpty = list.items && !items.length && !list.isReading && list.next === null;
  return html`
    <${Fault} error=${list.error} />
    ${isEmpty && html`<p class="dim">No subject is assigned it as parent.</p>`}
    <ul class="tree" role="list">
      ${items.map(
        (item) => html`<${Member} key=${item.subject} of=${item}>
          <${Within} name=${item.subject} changes=${changes} />
        <//>`,
      )}
    </ul>
    <${Tail} list=${list} what="subjects" />
  `;
}

/** The subjects within one, which are searched when they are asked for. */
export function Within({ name, changes }) {
  const [isOpen, setOpen] = useState(false);
  return html`
    <details onToggle=${(event) => {
      event.stopPropagation();
      setOpen(event.target.open);
    }}>
      <summary>Subjects within it</summary>
      ${isOpen && html`<${Members} of=${name} changes=${changes} />`}
    </details>
  `;
}

/** The parents of a subject, nearest first: a request must fit the limits of each. */
export const Parents = ({ of: { items, problem } }) =>
  (items.length > 0 || problem) &&
  html`
    <h3>Parents</h3>
    ${problem && html`<p class="fault">${problem}</p>`}
    <ul class="tree" role="list">
      ${items.map((item) => html`<${Member} key=${item.subject} of=${item} />`)}
    </ul>
  `;
