// Sends a message to every connection by the management API, at the address that SDKs take.
import { readdirSync } from 'node:fs';

const { AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI: endpoint, CONNECTIONS } = process.env;
const authorization = 'AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/execute-api/aws4_request';

export const handler = async event => {
  const { domainName, stage } = event.requestContext;
  if (endpoint !== `http://${domainName}/${stage}`) throw new Error(`${endpoint} is another one`);
  const body = JSON.parse(event.body).data;
  if (typeof body !== 'string') throw new TypeError('data is not a text');
  const ids = readdirSync(CONNECTIONS).filter(name => name !== 'ended');
  const gone = [];
  for (const id of ids) {
    const url = `${endpoint}/@connections/${encodeURIComponent(id)}`;
    const { status } = await fetch(url, { method: 'POST', headers: { authorization }, body });
    if (status === 410) gone.push(id);
    else if (status !== 200) throw new Error(`${status}`);
  }
  return { statusCode: 200, body: `sent to ${ids.length - gone.length}` };
};
