// A change: its command, its confirmation, and its undo.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { post, visible } from './api.js';
import { Command, Copy, Dialog, Fault } from './parts.js';

/**
 * A dialog for one change. `change` is what the form says, or null while it is incomplete.
 * In a console that only reads, it shows the command alone.
 */
export function Change({ title, verb, change, about, onClose, onDone, danger = false, children }) {
  const [command, setCommand] = useState('');
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const text = change && JSON.stringify(change);
  useEffect(() => {
    setError(null);
    if (!text) {
      setCommand('');
      return undefined;
    }
    const timer = setTimeout(async () => {
      try {
        setCommand((await post('change', { change: JSON.parse(text), preview: true })).command);
      } catch (problem) {
        setError(problem);
      }
    }, 150);
    return () => clearTimeout(timer);
  }, [text]);
  const apply = async (event) => {
    event.preventDefault();
    if (!change || busy) return;
    setBusy(true);
    try {
      onDone(await post('change', { change }));
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${title} onClose=${onClose}>
      <form onSubmit=${apply}>
        ${children}
        <${Fault} error=${error} />
        ${
          command &&
          html`<p class="label">The same on the command line</p>
          <${Command} text=${command} />`
        }
        ${
          !about.writes &&
          html`<p class="hint">
          This console only reads. Paste the command, or start it with <code>--allow-writes</code>.
        </p>`
        }
        <footer>
          <button
            type="submit"
            class=${danger ? 'danger' : 'primary'}
            disabled=${!about.writes || !change || busy}
          >
            ${busy ? 'Writing…' : verb}
          </button>
        </footer>
      </form>
    <//>
  `;
}

/** What was done, with an undo. A new key stays until it is closed. */
export function Toast({ done, about, onClose, onDone }) {
  const [error, setError] = useState(null);
  const [undoing, setUndoing] = useState(false);
  useEffect(() => {
    setError(null);
    setUndoing(false);
    if (done.key) return undefined;
    const timer = setTimeout(onClose, 12_000);
    return () => clearTimeout(timer);
  }, [done]);
  const undo = async () => {
    setUndoing(true);
    try {
      onDone(await post('change', { change: done.undo }));
    } catch (problem) {
      setError(problem);
      setUndoing(false);
    }
  };
  if (done.key) {
    return html`
      <${Dialog} title="The new key" onClose=${onClose}>
        <p>Copy the key now. It is not stored and cannot be shown again.</p>
        <div class="command key">
          <code data-testid="new-key">${done.key}</code><${Copy} text=${done.key}
            label="Copy the key" />
        </div>
      <//>
    `;
  }
  return html`
    <div class="toast" role="status">
      <span>${visible(done.text)}</span>
      ${
        done.undo &&
        about.writes &&
        html`<button type="button" class="small" disabled=${undoing} onClick=${undo}>Undo</button>`
      }
      <button type="button" class="small quiet" aria-label="Close" onClick=${onClose}>✕</button>
      <${Fault} error=${error} />
    </div>
  `;
}
