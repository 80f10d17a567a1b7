// A Lambda backend in Node behind the authorizer: it answers 429 to a caller over its limits.
//
// For `Refusal=context`, on REST APIs (proxy integration) and HTTP APIs (payload 2.0). The authorizer
// has charged the request; the context has its decision. Test: tests/scripts/deployment/backends.py.

/** The authorizer's context: a REST API makes every value a text, an HTTP API keeps it below `lambda`. */
export function caller(event) {
  const context = event.requestContext?.authorizer ?? {};
  return context.lambda ?? context;
}

/** The answer to a caller over its limits; undefined for others. */
export function refusal(event) {
  const {throttled, retryAfter} = caller(event);
  // Only the exact word: an odd decision is not a permission to go on. There is none without limits.
  if (String(throttled) === 'false' || throttled === undefined) return undefined;
  const headers = {'content-type': 'application/problem+json'};
  // A plan that refuses everything has no time to wait.
  if (/^[0-9]{1,10}$/.test(String(retryAfter))) headers['retry-after'] = String(retryAfter);
  return {
    statusCode: 429,
    headers,
    body: JSON.stringify({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Too Many Requests', status: 429,
    }),
  };
}

export async function handler(event) {
  const context = caller(event);
  // Without a subject the authorizer was not asked: the route is open by mistake.
  if (context.sub === undefined && context.subject === undefined) {
    return {statusCode: 500, body: JSON.stringify({message: 'this route has no authorizer'})};
  }
  return refusal(event) ?? {
    statusCode: 200,
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({subject: context.subject ?? context.sub, plan: context.plan}),
  };
}
