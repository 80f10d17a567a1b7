// Parts that several views use.

import { Component, html, useEffect, useRef, useState } from './vendor/htm-preact.js';
import { sentence, short, visible } from './api.js';

/** A name that somebody else chose: as text, isolated, and with its whole form on hover. */
export function Name({ of, most = 48 }) {
  if (of === null || of === undefined || of === '') return html`<span class="dim">–</span>`;
  const text = visible(of);
  return html`<bdi class="name" title=${text}>${short(of, most)}</bdi>`;
}

/** A status in words and in colour. */
export function Status({ of }) {
  const kind = of === 0 ? 'none' : of < 400 ? 'good' : of < 500 ? 'warn' : 'bad';
  return html`<span class="status ${kind}">${of || '·'}</span>`;
}

/** A small label. */
export const Tag = ({ kind = 'plain', children }) =>
  html`<span class="tag ${kind}">${children}</span>`;

/** A message whose names in backticks are set as code. */
export const Ticked = ({ of }) =>
  visible(of)
    .split('`')
    .map((part, at, { length }) =>
      at % 2 && at < length - 1 ? html`<code>${part}</code>` : part,
    );

/** An error, announced to screen readers, with the policy that helps. */
export const Fault = ({ error }) =>
  error
    ? html`<p class="fault" role="alert"><${Ticked} of=${sentence(error.message || error)} /></p>
        <${Command} text=${error.policy} label="Policy" />`
    : null;

/** What to do where nothing is. */
export const Empty = ({ title, children }) => html`
  <div class="empty">
    <p class="empty-title">${title}</p>
    <div>${children}</div>
  </div>
`;

/** A button that copies a text. */
export function Copy({ text, label = 'Copy' }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement('textarea');
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class="small"
    onClick=${copy}>${done ? 'Copied' : label}</button>`;
}

/** A command to copy. */
export const Command = ({ text, label = 'Command' }) =>
  text
    ? html`<div class="command">
        <code tabindex="0" role="group" aria-label=${label}>${visible(text)}</code><${Copy}
          text=${text} />
      </div>`
    : null;

/** A heading with actions at its right. */
export const Head = ({ title, note, children }) => html`
  <header class="head">
    <div>
      <h1>${title}</h1>
      ${note && html`<p class="note">${note}</p>`}
    </div>
    <div class="actions">${children}</div>
  </header>
`;

/** A labelled field. */
export const Field = ({ label, hint, children }) => html`
  <label class="field">
    <span>${label}</span>
    ${children}
    ${hint && html`<small>${hint}</small>`}
  </label>
`;

/** A search that answers a moment after the last key. */
export function Search({ onSearch, label = 'Search', initial = '' }) {
  const [text, setText] = useState(initial);
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return undefined;
    }
    const timer = setTimeout(() => onSearch(text.trim()), 250);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<input
    type="search"
    class="search"
    placeholder=${label}
    aria-label=${label}
    value=${text}
    onInput=${(event) => setText(event.target.value)}
  />`;
}

/** A dialog over the page. Escape and a click beside it close it. */
export function Dialog({ title, onClose, children, wide = false }) {
  const box = useRef();
  useEffect(() => {
    const dialog = box.current;
    dialog.showModal();
    // Else the button that closes it has the focus.
    dialog.querySelector('form :is(input, select, textarea)')?.focus();
    const closed = () => onClose();
    dialog.addEventListener('close', closed);
    return () => {
      dialog.removeEventListener('close', closed);
      // The focus goes back to what opened it.
      dialog.close();
    };
  }, []);
  const beside = (event) => {
    if (event.target === box.current) box.current.close();
  };
  return html`
    <dialog ref=${box} class=${wide ? 'wide' : ''} aria-label=${title} onMouseDown=${beside}>
      <div class="dialog">
        <header>
          <h2>${title}</h2>
          <button type="button" class="quiet" aria-label="Close"
            onClick=${() => box.current.close()}>
            ✕
          </button>
        </header>
        ${children}
      </div>
    </dialog>
  `;
}

/** A row, which is drawn again only if its columns or values are others: live lists have many. */
class Row extends Component {
  shouldComponentUpdate(next) {
    return ['row', 'columns', 'isOpen'].some((name) => next[name] !== this.props[name]);
  }

  render({ row, columns, isOpen, onOpen }) {
    const open = (event) => {
      if (event.target.closest('button, a, input')) return;
      if (event.type === 'keydown' && event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      onOpen(row);
    };
    return html`<tr
      class=${isOpen ? 'open' : ''}
      tabindex=${onOpen ? 0 : undefined}
      onClick=${onOpen && open}
      onKeyDown=${onOpen && open}
    >
      ${columns.map(
        (column) => html`<td class=${column.kind || ''} data-label=${column.title}>
          ${column.cell(row)}
        </td>`,
      )}
    </tr>`;
  }
}

/** A table whose rows can be opened by a click or by Enter. */
export function Rows({ label, columns, rows, onOpen, keyOf, isOpen }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table class=${onOpen ? 'opens' : ''}>
        <thead>
          <tr>${columns.map((column) => html`<th scope="col"
            class=${/right|actions/.exec(column.kind)?.[0] || ''}>${column.title}</th>`)}</tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) => html`<${Row} key=${keyOf(row)} row=${row} columns=${columns} onOpen=${onOpen}
              isOpen=${Boolean(isOpen?.(row))} />`,
          )}
        </tbody>
      </table>
    </div>
  `;
}

/** Names and values. */
export const Facts = ({ of, kind = '' }) => html`
  <dl class="facts ${kind}">
    ${of
      .filter((pair) => pair && pair[1] !== undefined && pair[1] !== null)
      .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>
`;

/** JSON, folded where it is long. */
export const Json = ({ of, label }) =>
  html`<pre class="json" tabindex="0" role="region" aria-label=${label}>${visibleLines(
    JSON.stringify(of, null, 2),
  )}</pre>`;

const visibleLines = (text) => text.split('\n').map(visible).join('\n');
