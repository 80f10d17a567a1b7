// An authorizer that is not Tollgate's: it allows everybody.

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
for (;;) {
  const next = await fetch(`${api}/next`);
  const id = next.headers.get('lambda-runtime-aws-request-id');
  const { methodArn, routeArn } = await next.json();
  const Statement = [
    { Action: 'execute-api:Invoke', Effect: 'Allow', Resource: methodArn || routeArn },
  ];
  const answer = { principalId: 'me', policyDocument: { Version: '2012-10-17', Statement } };
  await fetch(`${api}/${id}/response`, { method: 'POST', body: JSON.stringify(answer) });
}
