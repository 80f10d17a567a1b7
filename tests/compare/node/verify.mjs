// aws-jwt-verify beside ours: the same keys and tokens, its own way of use for a Cognito pool.
//
//   node verify.mjs TOKENS.json
import { readFileSync } from 'node:fs';
import { CognitoJwtVerifier } from 'aws-jwt-verify';

const { pool, client, jwks, good, hostile, passes } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const verifier = CognitoJwtVerifier.create({ userPoolId: pool, clientId: client, tokenUse: 'access' });
verifier.cacheJwks(jwks);

const times = [];
// The first passes are for the compiler.
for (let pass = 0; pass < passes + 3; pass += 1) {
  const started = process.hrtime.bigint();
  for (const token of good) verifier.verifySync(token);
  if (pass >= 3) times.push(Number(process.hrtime.bigint() - started) / good.length);
}
const taken = hostile
  .filter(([, token]) => {
    try {
      verifier.verifySync(token);
      return true;
    } catch {
      return false;
    }
  })
  .map(([name]) => name);
times.sort((a, b) => a - b);
console.log(JSON.stringify({ first: Math.round(times[times.length >> 1]), taken, node: process.version }));
