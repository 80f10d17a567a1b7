// Calls of the server, and texts that may be hostile.

/** An error of the server, with its status and the policy that helps, if one does. */
export class Problem extends Error {
  constructor(message, { status } = { status: 0 }, { policy } = {}) {
    super(message);
    this.status = status;
    this.policy = policy;
  }
}

async function answer(request) {
  let response;
  try {
    response = await request;
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('The console cannot be reached. Is it still running?');
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(body.error || `status ${response.status}`, response, body);
  return body;
}

export const get = (path, signal) => answer(fetch(`/api/${path}`, { signal }));

export const post = (path, body) =>
  answer(
    fetch(`/api/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-tollgate-console': '1' },
      body: JSON.stringify(body),
    }),
  );

/** A list's path with its search. `from` may be empty: the start, after an exact match. */
export function listed(path, { search, from, most }) {
  const query = new URLSearchParams({ most });
  if (search) query.set('search', search);
  if (from !== null) query.set('from', from);
  return `${path}?${query}`;
}

/** Characters that act on text around them, or that nobody sees. */
const INVISIBLE = new RegExp(
  '[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e' +
    '\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]',
  'g',
);

/** A text whose control and direction characters are written as codes. */
export const visible = (text) =>
  String(text ?? '').replace(
    INVISIBLE,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** A message of the server as a sentence: the command line begins it with a small letter. */
export const sentence = (text) => visible(text).replace(/^[a-z]/, (c) => c.toUpperCase());

/** A text of at most so many characters; its middle is left out. */
export function short(text, most) {
  const all = [...visible(text)];
  if (all.length <= most) return all.join('');
  const head = Math.ceil((most - 1) / 2);
  return `${all.slice(0, head).join('')}…${all.slice(all.length - (most - 1 - head)).join('')}`;
}

const two = (number) => String(number).padStart(2, '0');

/** A time of day, to the millisecond. */
export function clock(ms) {
  const date = new Date(ms);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** A day and a time in UTC, to the second. */
export const moment = (ms) => (ms ? new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z') : '–');

export const number = (value) => Number(value).toLocaleString('en-GB');

/** A length of time from microseconds. */
export function took(us) {
  if (us === null || us === undefined) return '–';
  if (us < 1000) return `${us} µs`;
  if (us < 10_000) return `${(us / 1000).toFixed(1)} ms`;
  if (us < 10_000_000) return `${number(Math.round(us / 1000))} ms`;
  return `${(us / 1_000_000).toFixed(1)} s`;
}

/** A wait from milliseconds, rounded up, for a person. */
export function wait(ms) {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.ceil(seconds / 3600)} h`;
  return `${Math.ceil(seconds / 86_400)} days`;
}
