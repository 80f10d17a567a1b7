// Each answer once: 200, 401, 403, 429, and 200 again after the wait that the 429 asked for.
import http from 'k6/http';
import { check, sleep } from 'k6';
import { LIMITED, URL, call, calls, token } from './tollgate.js';
export { handleSummary } from './tollgate.js';

export const options = {
  scenarios: { smoke: { executor: 'shared-iterations', vus: 1, iterations: 1 } },
  thresholds: { ...LIMITED, checks: ['rate==1'], calls: ['count>20'] },
};

export default function smoke() {
  const bearer = token(0);
  check(http.get(`${URL}/orders`), { '401 without a token': (r) => r.status === 401 });
  const headers = { authorization: 'Bearer not.a.token' };
  check(http.get(`${URL}/orders`, { headers }), { '401 with a bad one': (r) => r.status === 401 });
  const other = { headers: { authorization: `Bearer ${bearer.text}` } };
  check(http.del(`${URL}/nowhere`, null, other), { '403 elsewhere': (r) => r.status === 403 });

  check(call(0, bearer), { '200 at first': (r) => r.status === 200 });
  let refused = null;
  for (let made = 0; made < 1000 && !refused; made += 1) {
    const answer = call(0, bearer);
    if (answer.status === 429) refused = answer;
  }
  check(refused, {
    '429 in the end': (r) => r !== null,
    'with a wait of whole seconds': (r) => r !== null && /^[1-9][0-9]*$/.test(r.headers['Retry-After']),
  });
  for (let made = 0; made < 20; made += 1) call(0, bearer);
  sleep(Number(refused.headers['Retry-After']));
  check(call(0, bearer), { '200 after the wait': (r) => r.status === 200 });
}
