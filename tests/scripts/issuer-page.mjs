// Signs in by SRP in a browser, on a page of another origin than the issuer's and the APIs', and
// calls both APIs of infra/local/tests/functions/pages.yaml. Called by `issuer`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { CHROMIUM, CONSOLE_TOOLS, ISSUER_TOOLS } = process.env;
const { chromium } = createRequire(join(CONSOLE_TOOLS, 'x.js'))('playwright-core');
const library = join(ISSUER_TOOLS, 'amazon-cognito-identity-js/dist/amazon-cognito-identity.min.js');
const ready = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const [alice] = ready.users;

const page = '<!doctype html><title>app</title><script src="/library.js"></script>';
const server = http.createServer((request, response) => {
  const isScript = request.url === '/library.js';
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
  response.end(isScript ? readFileSync(library) : page);
});
await new Promise(done => server.listen(0, '127.0.0.1', done));
const origin = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
});
try {
  const tab = await browser.newPage();
  await tab.goto(origin);
  const told = await tab.evaluate(async ({ iss, clientId, name, password, apis }) => {
    const { AuthenticationDetails, CognitoUser, CognitoUserPool } = AmazonCognitoIdentity;
    const at = iss.lastIndexOf('/');
    const pool = new CognitoUserPool({
      UserPoolId: iss.slice(at + 1), ClientId: clientId, endpoint: iss.slice(0, at),
    });
    const user = new CognitoUser({ Username: name, Pool: pool });
    const signIn = password => new Promise((onSuccess, onFailure) =>
      user.authenticateUser(new AuthenticationDetails({ Username: name, Password: password }),
        { onSuccess, onFailure }));
    const refused = await signIn('Wrong-1!').catch(error => error.code);
    const session = await signIn(password);
    const authorization = `Bearer ${session.getAccessToken().getJwtToken()}`;
    const statuses = [];
    for (const api of apis) {
      const answer = await fetch(`${api}/health`, { headers: { authorization } });
      statuses.push(answer.status);
    }
    return { refused, statuses };
  }, {
    iss: ready.issuer, clientId: ready.client_id, name: alice.username, password: alice.password,
    apis: [ready.api, ready.http_api],
  });
  assert.deepEqual(told, { refused: 'NotAuthorizedException', statuses: [200, 200] });
  console.log(`a browser at ${origin}: signed in by SRP, called both APIs across origins`);
} finally {
  await browser.close();
  server.close();
}
