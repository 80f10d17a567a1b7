// The page: its views, its state, and what is said at its bottom.

import { html, render, useEffect, useRef, useState } from './vendor/htm-preact.js';
import { get } from './api.js';
import { Toast } from './change.js';
import { Empty, Fault, Name, Tag } from './parts.js';
import { Assignments } from './assignments.js';
import { Buckets } from './buckets.js';
import { Keys } from './keys.js';
import { Plans } from './plans.js';
import { LINKS, Requests, useRequests } from './requests.js';
import { Revocations } from './revocations.js';
import { Rules } from './rules.js';
import { Trial } from './trial.js';

const VIEWS = [
  { id: 'requests', title: 'Requests', view: Requests, local: true },
  { id: 'buckets', title: 'Buckets', view: Buckets },
  { id: 'plans', title: 'Plans', view: Plans },
  { id: 'keys', title: 'Keys', view: Keys },
  { id: 'assignments', title: 'Assignments', view: Assignments },
  { id: 'revocations', title: 'Revocations', view: Revocations },
  { id: 'rules', title: 'Rules', view: Rules },
  { id: 'try', title: 'Try it', view: Trial, local: true },
];

/** The view and its argument, from the address: `#buckets/demo%23maria`. */
function useRoute() {
  const read = () => {
    const [id, ...rest] = location.hash.slice(1).split('/');
    return { id, of: rest.length ? decodeURIComponent(rest.join('/')) : null };
  };
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const moved = () => setRoute(read());
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, []);
  return route;
}

/** Light or dark, as the person chose, else as the system is. */
function useTheme() {
  const [theme, setTheme] = useState(() => localStorage.getItem('theme') || 'system');
  useEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    localStorage.setItem('theme', theme);
  }, [theme]);
  return [theme, setTheme];
}

function Theme() {
  const [theme, setTheme] = useTheme();
  return html`
    <select class="theme" aria-label="Colours" value=${theme}
      onChange=${(event) => setTheme(event.target.value)}>
      <option value="system">System colours</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select>
  `;
}

function Nav({ views, current, about, live }) {
  const list = useRef();
  useEffect(() => {
    // On a narrow page the list scrolls sideways. `scrollIntoView` would also move the place from
    // which Tab goes on.
    const box = list.current;
    const link = box.querySelector('[aria-current]');
    const left = (one) => one.getBoundingClientRect().left;
    if (link) box.scrollLeft += left(link) - left(box) - 12;
  }, [current]);
  return html`
    <nav aria-label="Views">
      <a class="brand" href="#${views[0].id}">
        <img src="/assets/icon.svg" alt="" width="22" height="22" />
        <span>Tollgate</span>
      </a>
      <ul ref=${list}>
        ${views.map(
          ({ id, title }) => html`<li>
            <a href="#${id}" aria-current=${id === current ? 'page' : undefined}>${title}</a>
          </li>`,
        )}
      </ul>
      <div class="place">
        <p>Table <${Name} of=${about.table} most=${28} /></p>
        ${about.endpoint && html`<p class="dim"><${Name} of=${about.endpoint} most=${30} /></p>`}
        ${!about.writes && html`<p><${Tag}>read-only<//></p>`}
        ${
          about.isLocal &&
          html`<p class="link" role="status">
          <span class="dot ${live.link === 'live' ? 'good' : 'bad'}"></span>
          ${LINKS[live.link]}
        </p>`
        }
        <${Theme} />
      </div>
    </nav>
  `;
}

function App() {
  const [about, setAbout] = useState(null);
  const [error, setError] = useState(null);
  const [done, setDone] = useState(null);
  const [changes, setChanges] = useState(0);
  const views = VIEWS.filter((view) => !view.local || about?.isLocal);
  const route = useRoute();
  const live = useRequests(about?.isLocal);
  const load = () => get('about').then(setAbout, setError);
  useEffect(load, []);
  const current = views.find((view) => view.id === route.id) || views[0];
  useEffect(() => {
    if (!about) return;
    document.title = `${current.title} – Tollgate console`;
    scrollTo(0, 0);
  }, [current.id, Boolean(about)]);
  if (error) {
    return html`<main class="closed">
      <${Fault} error=${error} />
      <p><a href="/">Open the console again</a> by the address that was printed at its start.</p>
    </main>`;
  }
  if (!about) return html`<main class="closed"><p class="dim">Loading…</p></main>`;
  const told = (what) => {
    setDone(what);
    setChanges((count) => count + 1);
  };
  const id = route.id || current.id;
  const isKnown = views.some((view) => view.id === id);
  return html`
    <a class="skip" href="#main" onClick=${(event) => {
      event.preventDefault();
      document.getElementById('main').focus();
    }}>Skip to the view</a>
    <${Nav} views=${views} current=${current.id} about=${about} live=${live} />
    ${
      done &&
      html`<${Toast} done=${done} about=${about} onClose=${() => setDone(null)} onDone=${told} />`
    }
    <main id="main" tabindex="-1">
      ${
        about.trial?.isTableThere === false &&
        html`<p class="fault" role="alert">
          The table is taken away: lists and changes fail. <a href="#try">Bring it back.</a>
        </p>`
      }
      ${
        isKnown
          ? html`<${current.view}
            key=${current.id}
            of=${route.of}
            about=${about}
            live=${live}
            changes=${changes}
            onDone=${told}
            onAbout=${load}
          />`
          : html`<${Empty} title=${
            VIEWS.some((view) => view.id === id)
              ? 'Only tollgate-local has this view'
              : 'There is no such view'
          }>Choose one from the list.<//>`
      }
    </main>
  `;
}

// The token is in a cookie now: keep it out of the history and of what is copied.
if (location.search) history.replaceState(null, '', `/${location.hash}`);
const root = document.getElementById('app');
root.textContent = '';
render(html`<${App} />`, root);
