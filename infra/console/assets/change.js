// A change: its command, its confirmation, and its undo.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { post, sentence } from './api.js';
import { Command, Copy, Dialog, Fault, Ticked } from './parts.js';

/**
 * A dialog for one change. `change` is what the form says, or null while it is incomplete.
 * In a console that only reads, it shows the command alone.
 */
export function Change({ title, verb, change, about, onClose, onDone, danger = false, children }) {
  const [{ command, warning }, setPreview] = useState({});
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const text = change && JSON.stringify(change);
  useEffect(() => {
    setError(null);
    if (!text) {
      setPreview({});
      return undefined;
    }
    const timer = setTimeout(async () => {
      try {
        setPreview(await post('change', { change: JSON.parse(text), preview: true }));
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
          warning &&
          !error &&
          html`<p class="hint warn" role="status"><${Ticked} of=${warning} /></p>`
        }
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

/**
 * What was done, with an undo. It goes after a while, unless the mouse or the focus is on it; a new
 * key stays until it is closed.
 */
export function Toast({ done, about, onClose, onDone }) {
  const [error, setError] = useState(null);
  const [undoing, setUndoing] = useState(false);
  const [isHeld, setHeld] = useState(false);
  useEffect(() => {
    setError(null);
    setUndoing(false);
  }, [done]);
  useEffect(() => {
    if (done.key || isHeld) return undefined;
    const timer = setTimeout(onClose, 12_000);
    return () => clearTimeout(timer);
  }, [done, isHeld]);
  const undo = async () => {
    if (undoing) return;
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
    <div
      class="toast"
      role="status"
      onMouseEnter=${() => setHeld(true)}
      onMouseLeave=${() => setHeld(false)}
      onfocusin=${() => setHeld(true)}
      onfocusout=${() => setHeld(false)}
    >
      <span><${Ticked} of=${sentence(done.text)} /></span>
      ${
        done.undo &&
        about.writes &&
        html`<button type="button" class="small" onClick=${undo}>Undo</button>`
      }
      <button type="button" class="small quiet" aria-label="Close" onClick=${onClose}>✕</button>
      <${Fault} error=${error} />
    </div>
  `;
}
