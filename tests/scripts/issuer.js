// Signs in at a local issuer as Amplify and OpenID Connect libraries do. Called by `issuer`.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const { pathToFileURL } = require('node:url');
const {
    AuthenticationDetails, CognitoUser, CognitoUserAttribute, CognitoUserPool,
} = require('amazon-cognito-identity-js');

const ready = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const issuer = ready.issuer.slice(0, ready.issuer.lastIndexOf('/'));
const [poolId] = ready.issuer.split('/').slice(-1);
const name = 'dave', password = 'Throwaway-dave-1!';

/** A call with a callback of (error, result), as a promise. */
const promised = act => new Promise((resolve, reject) =>
    act((error, result) => error ? reject(error) : resolve(result)));

/** Signs in by SRP, which is the default. */
const signIn = (user, password) => new Promise((onSuccess, onFailure) =>
    user.authenticateUser(new AuthenticationDetails({ Username: user.getUsername(), Password: password }),
        { onSuccess, onFailure }));

async function cognito() {
    const pool = new CognitoUserPool({ UserPoolId: poolId, ClientId: ready.client_id, endpoint: issuer });
    const email = new CognitoUserAttribute({ Name: 'email', Value: 'dave@example.com' });
    await promised(done => pool.signUp(name, password, [email], null, done));
    const user = new CognitoUser({ Username: name, Pool: pool });
    await assert.rejects(signIn(user, password), { code: 'UserNotConfirmedException' });
    await promised(done => user.confirmRegistration('123456', true, done));
    await assert.rejects(signIn(user, 'Wrong-1!'), { code: 'NotAuthorizedException' });
    const session = await signIn(user, password);
    const token = session.getAccessToken().getJwtToken();
    const attributes = await promised(done => user.getUserAttributes(done));
    assert.ok(attributes.some(one => one.getName() === 'email_verified' && one.getValue() === 'true'));
    const renewed = await promised(done => user.refreshSession(session.getRefreshToken(), done));
    assert.notEqual(renewed.getAccessToken().getJwtToken(), token);

    // Across origins: the preflight is answered by the issuer, and a page can read its errors.
    const preflight = await fetch(`${issuer}/`, {
        method: 'OPTIONS',
        headers: {
            'origin': 'http://localhost:3000', 'access-control-request-method': 'POST',
            'access-control-request-headers': 'x-amz-target',
        },
    });
    assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
    const called = await fetch(`${ready.api}/health`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(called.status, 200);

    await promised(done => user.globalSignOut({ onSuccess: ok => done(null, ok), onFailure: done }));
    await assert.rejects(promised(done => user.refreshSession(session.getRefreshToken(), done)),
        { code: 'NotAuthorizedException' });
    console.log('amazon-cognito-identity-js: signed up, signed in by SRP, called the API, signed out');
}

async function openid() {
    // A module, which `require` cannot load on every Node.
    const file = require.resolve('openid-client');
    const client = await import(pathToFileURL(file));
    const options = { execute: [client.allowInsecureRequests] };
    const config = await client.discovery(
        new URL(ready.issuer), ready.client_id, undefined, client.None(), options);
    const redirect = 'http://localhost:3000/callback';
    const verifier = client.randomPKCECodeVerifier();
    const [state, nonce] = [client.randomState(), client.randomNonce()];
    const start = client.buildAuthorizationUrl(config, {
        redirect_uri: redirect, scope: 'openid email', state, nonce,
        code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    });
    // The browser's part.
    const [alice] = ready.users;
    const login = (await fetch(start, { redirect: 'manual' })).headers.get('location');
    const page = await (await fetch(login)).text();
    assert.match(page, /<form method="post">/);
    const sent = await fetch(login, {
        method: 'POST', redirect: 'manual',
        body: new URLSearchParams({ username: alice.username, password: alice.password }),
    });
    const back = new URL(sent.headers.get('location'));
    assert.equal(back.origin + back.pathname, redirect);

    const tokens = await client.authorizationCodeGrant(config, back,
        { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce });
    const { sub } = tokens.claims();
    const info = await client.fetchUserInfo(config, tokens.access_token, sub);
    assert.equal(info.username, alice.username);
    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(renewed.claims().sub, sub);
    await client.tokenRevocation(config, tokens.refresh_token);
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' });
    const end = client.buildEndSessionUrl(config, { logout_uri: 'http://localhost:3000/' });
    const out = await fetch(end, { redirect: 'manual' });
    assert.equal(out.headers.get('location'), 'http://localhost:3000/');
    console.log('openid-client: signed in by code and PKCE, read the user, renewed, revoked, signed out');
}

cognito().then(openid).catch(error => {
    console.error(error);
    process.exit(1);
});
