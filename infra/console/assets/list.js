// Lists of the table: read part by part, searched, and stopped.

import { html, useEffect, useRef, useState } from './vendor/htm-preact.js';
import { get, listed, number } from './api.js';
import { Empty, Fault, Head, Name, Rows, Search } from './parts.js';

/** The matches after which a list waits for a click. */
const PAGE = 100;
/** The most items that a list keeps. */
const KEPT = 2000;
/** The items of the table that the first part reads, and that a later one reads at most. */
const FIRST = 250;
const MOST = 4000;

const NOTHING = { items: null, damaged: [], next: null, read: 0, parts: 0 };

/**
 * A list that is read from the server part by part until it has a page of matches, there are no
 * more, or it is stopped. Each part is one bounded read of the table, twice as large as the one
 * before.
 */
export function useList(path, search, changes) {
  const [list, setList] = useState({ ...NOTHING, isReading: false, error: null });
  const running = useRef(null);
  const run = async (start) => {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    let { items, damaged, next, read } = start;
    const wanted = (items?.length ?? 0) + PAGE;
    let parts = 0;
    try {
      do {
        const most = Math.min(FIRST * 2 ** parts, MOST);
        const part = await get(listed(path, { search, from: next, most }), abort.signal);
        items = [...(items || []), ...part.items];
        damaged = [...damaged, ...part.damaged];
        next = part.next;
        read += part.read;
        parts += 1;
        // After an exact match, the search of the whole table waits for a click.
        const isDone = !next || items.length >= wanted;
        if (abort.signal.aborted) return;
        setList({ items, damaged, next, read, parts, isReading: !isDone, error: null });
        if (isDone) return;
      } while (true);
    } catch (error) {
      if (abort.signal.aborted) return;
      const rest = { items, damaged, next, read };
      setList((old) => ({ ...old, isReading: false, error, rest }));
    } finally {
      if (running.current === abort) running.current = null;
    }
  };
  const stop = () => {
    running.current?.abort();
    setList((old) => ({ ...old, isReading: false }));
  };
  const reload = () => run(NOTHING);
  useEffect(() => {
    reload();
    return () => running.current?.abort();
  }, [search, changes]);
  const isIdle = () => running.current === null;
  const more = () => run(list);
  const retry = () => run(list.rest);
  return { ...list, search, reload, stop, isIdle, more, retry };
}

/** The end of a list: how much was read, what is damaged, and a button to stop or go on. */
export function Tail({ list, what }) {
  const { items, damaged, next, read, isReading } = list;
  const found = items?.length ?? 0;
  const progress = `${number(read)} of the table's items read, ${number(found)} found`;
  const going = html`
    <span>${progress}…</span><button type="button" onClick=${list.stop}>Stop</button>
  `;
  const more = (label) => html`
    <span class="dim">${progress}.</span>
    ${
      found < KEPT
        ? html`<button type="button" onClick=${list.more}>${label}</button>`
        : html`<span>No more are shown: narrow the search.</span>`
    }
  `;
  const end = () => {
    if (isReading) return going;
    if (list.error) return html`<button type="button" onClick=${list.retry}>Try again</button>`;
    if (next === '') return more('Search the whole table');
    if (next !== null) return more('Look for more');
    return (list.search || read > FIRST) && html`<span class="dim">${progress}: all of it.</span>`;
  };
  return html`
    ${
      damaged.length > 0 &&
      html`<p class="fault" role="alert">
        ${number(damaged.length)} damaged ${what} cannot be shown:
        ${damaged.slice(0, 3).map((id) => html` <${Name} of=${id} />`)}
      </p>`
    }
    <p class="more" role="status" data-testid="progress">${(items || list.error) && end()}</p>
  `;
}

/** What a view shows for a list without items. */
export const Nothing = ({ list, title, children }) => html`
  <${Empty} title=${list.search ? 'Nothing fits the search' : title}>
    ${
      list.search
        ? 'Search for a part of a name. Capital and small letters are the same.'
        : children
    }
  <//>
`;

/** A view of one kind of items: a title, a button, a search, rows, and how much was read. */
export function ListView({ path, what, title, note, label, order, button, empty, ...more }) {
  const { columns, keyOf, changes, children } = more;
  const [search, setSearch] = useState('');
  const list = useList(path, search, changes);
  const items = [...(list.items || [])].sort(order);
  const isEmpty = list.items && !items.length && !list.isReading && !list.error;
  return html`
    <${Head} title=${title} note=${note}>${button}<//>
    <div class="filters"><${Search} label=${label} onSearch=${setSearch} /></div>
    <${Fault} error=${list.error} />
    ${isEmpty && html`<${Nothing} list=${list} title=${empty[0]}>${empty[1]}<//>`}
    ${
      items.length > 0 &&
      html`<${Rows} label=${title} columns=${columns} rows=${items} keyOf=${keyOf} />`
    }
    <${Tail} list=${list} what=${what} />
    ${children}
  `;
}

/** The dialog that a view has open, and the properties that close it. */
export function useOpen(about, onDone) {
  const [open, setOpen] = useState(null);
  const onClose = () => setOpen(null);
  const done = (what) => {
    onClose();
    onDone(what);
  };
  return [open, setOpen, { about, onClose, onDone: done }];
}

/** A small button of a row, or the main button of a view. */
export const Opens = ({ kind = 'small', onClick, children }) =>
  html`<button type="button" class=${kind} onClick=${onClick}>${children}</button>`;
