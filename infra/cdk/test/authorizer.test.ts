import assert from 'node:assert/strict';
import {mkdtempSync, readFileSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {deflateRawSync} from 'node:zlib';
import {App, NestedStack, Stack} from 'aws-cdk-lib';
import {MockIntegration, RestApi} from 'aws-cdk-lib/aws-apigateway';
import {HttpApi, HttpMethod, WebSocketApi} from 'aws-cdk-lib/aws-apigatewayv2';
import {
  HttpUrlIntegration, WebSocketMockIntegration,
} from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import {Match, Template} from 'aws-cdk-lib/assertions';
import {UserPool} from 'aws-cdk-lib/aws-cognito';
import {Architecture} from 'aws-cdk-lib/aws-lambda';
import {TollgateAuthorizer, TollgateAuthorizerProps} from '../src';

/** A zip with one executable, which has the header of one for this machine. */
function zip(machine: number, name = 'bootstrap', content?: string): Buffer {
  const header = Buffer.alloc(64);
  header.writeUInt32BE(0x7f454c46, 0);
  header.writeUInt16LE(machine, 18);
  const data = deflateRawSync(content === undefined ? header : Buffer.from(content));
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(8, 8);
  local.writeUInt32LE(data.length, 18);
  local.writeUInt16LE(name.length, 26);
  return Buffer.concat([local, Buffer.from(name), data]);
}

const ARM = 0xb7;
const X86 = 0x3e;

function packages(machine = ARM, architecture = 'arm64'): string {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-cdk-'));
  for (const name of ['authorizer', 'plans']) {
    writeFileSync(join(folder, `${name}-${architecture}.zip`), zip(machine));
  }
  return folder;
}

const FOLDER = packages();

function made(
  change: Partial<TollgateAuthorizerProps> = {},
): {stack: Stack; auth: TollgateAuthorizer} {
  const stack = new Stack(new App(), 'Shop');
  const userPool = new UserPool(stack, 'Pool');
  const auth = new TollgateAuthorizer(stack, 'Auth', {
    userPool, clients: [userPool.addClient('Client')],
    rules: [{name: 'readers', allow: ['GET /orders'], anyScope: ['orders/read']}],
    plans: {free: {throttle: {rateLimit: 5, burstLimit: 10}}},
    packages: FOLDER, ...change,
  });
  return {stack, auth};
}

function nested(stack: Stack): Template {
  return Template.fromStack(stack.node.findChild('Auth').node.findChild('Stack') as NestedStack);
}

function refused(change: Partial<TollgateAuthorizerProps>, said: RegExp): void {
  assert.throws(() => Template.fromStack(made(change).stack), said);
}

test('properties become the parameters of the template', () => {
  const {stack} = made({refusal: 'context', memorySize: 512, alarmEmail: 'ops@shop.example'});
  Template.fromStack(stack).hasResourceProperties('AWS::CloudFormation::Stack', {
    Parameters: Match.objectLike({
      Refusal: 'context', MemorySize: '512', AlarmEmail: 'ops@shop.example', Architecture: 'arm64',
      Plans: '{"free":{"throttle":{"rateLimit":5,"burstLimit":10}}}',
      Rules: '[[rule]]\nname = "readers"\nallow = ["GET /orders"]\nany_scope = ["orders/read"]\n',
    }),
  });
  const template = nested(stack);
  template.resourceCountIs('AWS::DynamoDB::Table', 1);
  template.resourceCountIs('AWS::Lambda::Function', 2);
  template.hasResourceProperties('AWS::CloudWatch::Alarm', {
    MetricName: 'Duration', EvaluateLowSampleCountPercentile: 'ignore',
  });
});

test('each parameter of the template has a value', () => {
  const stacks = Template.fromStack(made().stack).findResources('AWS::CloudFormation::Stack');
  const [stack] = Object.values(stacks);
  const file = join(__dirname, '..', '..', 'authorizer.json');
  const known = Object.keys(JSON.parse(readFileSync(file, 'utf8')).Parameters);
  assert.deepEqual(Object.keys(stack.Properties.Parameters).sort(), known.sort());
});

test('another package is another version', () => {
  // Of the settings, and of the package's key, which has a digest of its contents.
  const plans = Object.values(nested(made().stack).findResources('Custom::Plans'))[0];
  assert.deepEqual(plans.Properties.Settings.at(-1), {Ref: 'AuthorizerKey'});
  nested(made().stack).hasResourceProperties('AWS::Lambda::Version', {
    Description: {'Fn::Sub': 'settings ${StoredPlans.Settings}'},
  });
});

test('wrong properties are refused at synth, with the fix', () => {
  refused({rules: []}, /no rule, so no caller may call anything/);
  refused({rules: 'x'.repeat(2801)}, /2801 characters as TOML/);
  refused({rules: [{name: 'a', allow: ['orders please'], everyone: true}]}, /is not a route/);
  refused({rules: [{name: 'a', allow: ['GET /orders']}]}, /has no condition/);
  refused({rules: [{name: 'a', everyone: true}]}, /give `allow` or `deny`/);
  refused({clients: []}, /no client/);
  refused({userPool: undefined}, /no user pool: name it in `userPool`/);
  refused({credentials: 'key'}, /no token is looked at: remove `userPool` and `clients`/);
  refused({credentials: 'keys' as never}, /`credentials` must be token, key, either or both/);
  refused({plans: {}}, /no plan `free`, which is `defaultPlan`/);
  refused({plans: {free: {}}}, /plan `free`: give `throttle` or `quota`/);
  refused({plans: {free: {throttle: {rateLimit: -1, burstLimit: 1}}}}, /`rateLimit` must be/);
  refused({plans: {free: {throttle: {rateLimit: 1, burstLimit: 1.5}}}}, /`burstLimit` must be/);
  refused({plans: {free: {throtle: 1} as never}}, /unknown field `throtle`/);
  refused({tableTimeoutMs: 5}, /`tableTimeoutMs` must be a whole number from 10 to 5000, not 5/);
  refused({revocationCacheSeconds: 3601}, /`revocationCacheSeconds` must be/);
});

test('a package that is missing, damaged or for another processor is refused', () => {
  refused({packages: '/nowhere'}, /no package `\/nowhere\/authorizer-arm64.zip`/);
  refused({packages: packages(X86)}, /is built for x86_64, not for arm64/);
  const wrong = packages(ARM, 'x86_64');
  refused({packages: wrong, architecture: Architecture.X86_64}, /is built for arm64/);
  for (const damaged of [zip(ARM, 'main'), zip(ARM, 'bootstrap', '#!/bin/sh'), Buffer.from('x')]) {
    const folder = packages();
    writeFileSync(join(folder, 'authorizer-arm64.zip'), damaged);
    refused({packages: folder}, /has no executable `bootstrap`/);
  }
});

test('every method of a REST API is guarded, also one that is added later', () => {
  const {stack, auth} = made();
  const api = new RestApi(stack, 'Api', {defaultCorsPreflightOptions: {allowOrigins: ['*']}});
  auth.attachToRestApi(api, {open: ['GET /health']});
  api.root.addResource('orders').addMethod('GET', new MockIntegration());
  api.root.addResource('health').addMethod('GET', new MockIntegration());
  const template = Template.fromStack(stack);
  const methods = Object.values(template.findResources('AWS::ApiGateway::Method'));
  const guarded = methods.filter(method => method.Properties.AuthorizationType === 'CUSTOM');
  assert.equal(guarded.length, 1);
  assert.equal(guarded[0].Properties.ApiKeyRequired, true);
  assert.equal(methods.filter(method => method.Properties.HttpMethod === 'OPTIONS').length, 3);
  template.hasResourceProperties('AWS::ApiGateway::RestApi', {ApiKeySourceType: 'AUTHORIZER'});
  template.hasResourceProperties('AWS::ApiGateway::Authorizer', {
    Type: 'TOKEN', AuthorizerResultTtlInSeconds: 0,
  });
  template.hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
    ResponseType: 'INVALID_API_KEY', StatusCode: '429',
  });
  template.resourceCountIs('AWS::ApiGateway::UsagePlanKey', 1);
});

test('a route in `open` that does not exist is refused', () => {
  const {stack, auth} = made();
  const api = new RestApi(stack, 'Api');
  api.root.addMethod('GET', new MockIntegration());
  auth.attachToRestApi(api, {open: ['GET /helth']});
  assert.throws(() => Template.fromStack(stack), /no route `GET \/helth`/);
});

test('every route of an HTTP API is guarded, `$default` too', () => {
  const {stack, auth} = made({refusal: 'context'});
  const integration = new HttpUrlIntegration('Orders', 'https://shop.example');
  const api = new HttpApi(stack, 'Api', {defaultIntegration: integration});
  auth.attachToHttpApi(api);
  api.addRoutes({path: '/orders', methods: [HttpMethod.GET], integration});
  const template = Template.fromStack(stack);
  for (const route of Object.values(template.findResources('AWS::ApiGatewayV2::Route'))) {
    assert.equal(route.Properties.AuthorizationType, 'CUSTOM', route.Properties.RouteKey);
  }
  template.hasResourceProperties('AWS::ApiGatewayV2::Authorizer', {
    AuthorizerResultTtlInSeconds: 0,
  });
});

const KEYS = {credentials: 'key', userPool: undefined, clients: undefined} as const;

test('API keys alone need no pool, and are identity sources', () => {
  const {stack} = made(KEYS);
  Template.fromStack(stack).hasResourceProperties('AWS::CloudFormation::Stack', {
    Parameters: Match.objectLike({Credentials: 'key', UserPoolId: '', ClientIds: ''}),
  });
  const cases: [Partial<TollgateAuthorizerProps>, string, string[]][] = [
    [{}, 'TOKEN', ['Authorization']],
    [KEYS, 'REQUEST', ['x-api-key']],
    [{credentials: 'both'}, 'REQUEST', ['Authorization', 'x-api-key']],
    [{credentials: 'either'}, 'REQUEST', []],
  ];
  for (const [change, type, headers] of cases) {
    const {stack, auth} = made({...change, refusal: 'context'});
    const rest = new RestApi(stack, 'Rest');
    rest.root.addMethod('GET', new MockIntegration());
    auth.attachToRestApi(rest);
    const http = new HttpApi(stack, 'Http', {
      defaultIntegration: new HttpUrlIntegration('Orders', 'https://shop.example'),
    });
    auth.attachToHttpApi(http);
    const template = Template.fromStack(stack);
    template.hasResourceProperties('AWS::ApiGateway::Authorizer', {
      Type: type, AuthorizerResultTtlInSeconds: 0,
      IdentitySource: headers.length === 0 ? Match.absent()
        : headers.map(name => `method.request.header.${name}`).join(','),
    });
    template.hasResourceProperties('AWS::ApiGatewayV2::Authorizer', {
      AuthorizerResultTtlInSeconds: 0,
      IdentitySource: headers.map(name => `$request.header.${name}`),
    });
  }
});

test('an authorizer of type TOKEN with keys is refused, and OPEN has no sources', () => {
  const {stack, auth} = made(KEYS);
  assert.throws(() => auth.attachToRestApi(new RestApi(stack, 'Api'), {type: 'TOKEN'}),
    /type TOKEN sees no API key/);
  const other = made();
  const api = new RestApi(other.stack, 'Api');
  api.root.addMethod('GET', new MockIntegration());
  other.auth.attachToRestApi(api, {type: 'OPEN'});
  Template.fromStack(other.stack).hasResourceProperties('AWS::ApiGateway::Authorizer', {
    Type: 'REQUEST', IdentitySource: Match.absent(),
  });
});

test('an HTTP API with a key is refused', () => {
  const {stack, auth} = made();
  assert.throws(() => auth.attachToHttpApi(new HttpApi(stack, 'Api')), /set `refusal`/);
});

test('a WebSocket API is guarded on connect', () => {
  const {stack, auth} = made();
  const api = new WebSocketApi(stack, 'Api');
  auth.attachToWebSocketApi(api);
  assert.throws(() => Template.fromStack(stack), /has no route `\$connect`/);
  const other = made();
  const socket = new WebSocketApi(other.stack, 'Api', {
    connectRouteOptions: {integration: new WebSocketMockIntegration('Connect')},
  });
  other.auth.attachToWebSocketApi(socket);
  Template.fromStack(other.stack).hasResourceProperties('AWS::ApiGatewayV2::Route', {
    RouteKey: '$connect', AuthorizationType: 'CUSTOM',
  });
});
