// Stands in for Lambda's Node runtime: asks the Runtime API for events, runs the handler.
import { existsSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { env } = process;
const root = env.LAMBDA_TASK_ROOT;

// Not fetch, which gives up an open call after five minutes: a frozen process waits longer.
const call = (method, path, value) =>
  new Promise((done, failed) => {
    const url = `http://${env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/${path}`;
    const request = http.request(url, { method, agent: false }, async response => {
      const parts = [];
      for await (const part of response) parts.push(part);
      done({ headers: response.headers, body: Buffer.concat(parts).toString() });
    });
    request.on('error', failed).end(value);
  });

const described = error =>
  JSON.stringify({
    errorType: error?.name ?? 'Error',
    errorMessage: error?.message ?? String(error),
    stackTrace: String(error?.stack ?? '').split('\n'),
  });

// An answer that is not JSON is an error of the function, whose process lives on.
const marshalled = value => {
  try {
    return JSON.stringify(value ?? null) ?? 'null';
  } catch (error) {
    error.name = 'Runtime.MarshalError';
    throw error;
  }
};

const run = (handler, event, context) =>
  new Promise((done, failed) => {
    // Node's older way to answer.
    Object.assign(context, {
      succeed: done,
      fail: failed,
      done: (error, value) => (error ? failed(error) : done(value)),
    });
    const answer = handler(event, context, (error, value) => (error ? failed(error) : done(value)));
    if (typeof answer?.then === 'function') answer.then(done, failed);
    else if (handler.length < 3) done(null);
  });

let handler;
try {
  const dot = env._HANDLER.lastIndexOf('.');
  const [file, name] = [env._HANDLER.slice(0, dot), env._HANDLER.slice(dot + 1)];
  const paths = ['mjs', 'js', 'cjs'].map(ending => join(root, `${file}.${ending}`));
  const module = await import(pathToFileURL(paths.find(path => existsSync(path))));
  handler = module[name] ?? module.default[name];
  if (typeof handler !== 'function') throw new Error(`${env._HANDLER} is not a function`);
} catch (error) {
  console.error(error);
  await call('POST', 'init/error', described(error));
  process.exit(1);
}
for (;;) {
  const { headers, body } = await call('GET', 'invocation/next');
  const id = headers['lambda-runtime-aws-request-id'];
  const context = {
    awsRequestId: id,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    callbackWaitsForEmptyEventLoop: true,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    getRemainingTimeInMillis: () =>
      Math.max(0, Number(headers['lambda-runtime-deadline-ms']) - Date.now()),
  };
  let [path, value] = ['response', undefined];
  try {
    value = marshalled(await run(handler, JSON.parse(body), context));
  } catch (error) {
    console.error(error);
    [path, value] = ['error', described(error)];
  }
  await call('POST', `invocation/${id}/${path}`, value);
}
