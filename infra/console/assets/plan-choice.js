// The choice of a plan: from a list if the table is small, else by name.

import { html, useEffect, useState } from './vendor/htm-preact.js';
import { get, listed } from './api.js';

/** The items of the table that are read for the list, part by part. */
const PARTS = [250, 1000, 4000];

/** The plans in the first parts of the table, and whether these are all. */
async function read(signal) {
  const plans = [];
  let next = null;
  for (const most of PARTS) {
    const part = await get(listed('plans', { from: next, most }), signal);
    plans.push(...part.items.map((plan) => plan.id));
    next = part.next;
    if (next === null) break;
  }
  return { plans: plans.sort(), isAll: next === null };
}

export function PlanChoice({ value, onChange, none }) {
  const [{ plans, isAll }, setFound] = useState({ plans: [], isAll: true });
  useEffect(() => {
    const abort = new AbortController();
    // Without the list the name can still be typed, and the server checks it.
    read(abort.signal).then(setFound, () => setFound({ plans: [], isAll: abort.signal.aborted }));
    return () => abort.abort();
  }, []);
  const changed = (event) => onChange(event.target.value);
  const options = [...new Set(value ? [...plans, value] : plans)];
  if (isAll) {
    return html`<select value=${value} onChange=${changed}>
      <option value="">${none}</option>
      ${options.map((plan) => html`<option value=${plan}>${plan}</option>`)}
    </select>`;
  }
  return html`
    <input value=${value} placeholder=${none} list="plans" onInput=${changed} />
    <datalist id="plans">${plans.map((plan) => html`<option value=${plan}></option>`)}</datalist>
  `;
}
