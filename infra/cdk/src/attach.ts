import {Aspects, CfnResource, IAspect} from 'aws-cdk-lib';
import {
  CfnAuthorizer, CfnMethod, CfnRestApi, CfnUsagePlanKey, ResponseType, RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import {
  CfnAuthorizer as CfnAuthorizerV2, CfnRoute, HttpApi, WebSocketApi,
} from 'aws-cdk-lib/aws-apigatewayv2';
import {Construct, IConstruct} from 'constructs';
import type {TollgateAuthorizer} from './authorizer';

export interface AttachOptions {
  /**
   * `REQUEST` for rules by address; `OPEN`, which is REQUEST without identity sources, for rules with
   * `anonymous`. Default: `TOKEN` for tokens; with keys it is `REQUEST`, and `OPEN` for `either`
   */
  readonly type?: 'TOKEN' | 'REQUEST' | 'OPEN';
  /** The origin whose pages may read refusals. Default: `*` */
  readonly allowedOrigin?: string;
  /** Methods that stay open to everybody, such as `GET /health`. Default: none */
  readonly open?: string[];
}

export interface HttpAttachOptions {
  /** `OPEN` for rules with `anonymous`: without identity sources. Default: `REQUEST` */
  readonly type?: 'REQUEST' | 'OPEN';
  /** Routes that stay open to everybody, such as `GET /health`. Default: none */
  readonly open?: string[];
}

const TOKEN = '^[Bb][Ee][Aa][Rr][Ee][Rr] +[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$';

export function attachRest(
  tollgate: TollgateAuthorizer, api: RestApi, options: AttachOptions,
): void {
  const within = new Construct(tollgate, `Of${api.node.addr}`);
  const usual = {token: 'TOKEN', key: 'REQUEST', both: 'REQUEST', either: 'OPEN'} as const;
  const asked = options.type ?? usual[tollgate.credentials];
  if (asked === 'TOKEN' && tollgate.credentials !== 'token') {
    throw new Error('an authorizer of type TOKEN sees no API key: leave out `type`');
  }
  const type = asked === 'TOKEN' ? 'TOKEN' : 'REQUEST';
  const sources = identitySources(tollgate, asked === 'OPEN');
  const authorizer = new CfnAuthorizer(within, 'Authorizer', {
    name: 'tollgate',
    restApiId: api.restApiId,
    type,
    identitySource: sources.length === 0 ? undefined
      : sources.map(name => `method.request.header.${name}`).join(','),
    identityValidationExpression: type === 'TOKEN' ? TOKEN : undefined,
    // Each request must be counted: no result may be cached.
    authorizerResultTtlInSeconds: 0,
    authorizerUri: tollgate.authorizerUri,
    authorizerCredentials: tollgate.invokeRoleArn,
  });
  const byKey = tollgate.refusal === 'unknown-key';
  if (byKey) {
    (api.node.defaultChild as CfnRestApi).apiKeySourceType = 'AUTHORIZER';
    const plan = api.addUsagePlan('Tollgate', {
      description: "Callers within Tollgate's limits; it has none of its own.",
      apiStages: [{api, stage: api.deploymentStage}],
    });
    new CfnUsagePlanKey(within, 'Key', {
      keyId: tollgate.usageKeyId!, keyType: 'API_KEY', usagePlanId: plan.usagePlanId,
    });
  }
  const origin = {'Access-Control-Allow-Origin': `'${options.allowedOrigin ?? '*'}'`};
  const answer = (type: ResponseType, statusCode: string, headers: Record<string, string> = {},
    message?: string) => api.addGatewayResponse(`Tollgate${type.responseType}`, {
    type, statusCode, responseHeaders: {...origin, ...headers},
    templates: message ? {'application/json': `{"message":"${message}"}`} : undefined,
  });
  answer(ResponseType.UNAUTHORIZED, '401', {'WWW-Authenticate': "'Bearer'"});
  answer(ResponseType.ACCESS_DENIED, '403', {}, 'Forbidden');
  answer(ResponseType.INVALID_API_KEY, '429', {'Retry-After': "'1'"}, 'Too Many Requests');
  const open = new Set(options.open);
  each(api, node => {
    if (!(node instanceof CfnMethod) || node.httpMethod === 'OPTIONS') return;
    if (open.delete(`${node.httpMethod} ${pathOf(node)}`)) return;
    claim(node, authorizer);
    node.authorizationType = 'CUSTOM';
    node.authorizerId = authorizer.ref;
    node.apiKeyRequired = byKey;
  });
  tollgate.node.addValidation({validate: () => unknown(open)});
  // The methods above change nothing that the deployment's name is made of.
  api.latestDeployment?.addToLogicalId({tollgate: tollgate.node.addr, byKey, open: options.open});
}

export function attachHttp(
  tollgate: TollgateAuthorizer, api: HttpApi, options: HttpAttachOptions,
): void {
  if (tollgate.refusal !== 'context') {
    throw new Error('an HTTP API has no usage plans: set `refusal` of the authorizer to ' +
      '`context`, so that the backend answers 429');
  }
  const within = new Construct(tollgate, `Of${api.node.addr}`);
  const authorizer = new CfnAuthorizerV2(within, 'Authorizer', {
    apiId: api.apiId,
    name: 'tollgate',
    authorizerType: 'REQUEST',
    authorizerPayloadFormatVersion: '2.0',
    enableSimpleResponses: false,
    identitySource: identitySources(tollgate, options.type === 'OPEN')
      .map(name => `$request.header.${name}`),
    authorizerResultTtlInSeconds: 0,
    authorizerUri: tollgate.authorizerUri,
    authorizerCredentialsArn: tollgate.invokeRoleArn,
  });
  const open = new Set(options.open);
  each(api, node => {
    if (node instanceof CfnRoute && !open.delete(node.routeKey)) guard(node, authorizer);
  });
  tollgate.node.addValidation({validate: () => unknown(open)});
}

export function attachWebSocket(tollgate: TollgateAuthorizer, api: WebSocketApi): void {
  const within = new Construct(tollgate, `Of${api.node.addr}`);
  const authorizer = new CfnAuthorizerV2(within, 'Authorizer', {
    apiId: api.apiId,
    name: 'tollgate',
    authorizerType: 'REQUEST',
    // None: API Gateway requires every source that is named, and a token may be in a subprotocol.
    identitySource: [],
    authorizerUri: tollgate.authorizerUri,
    authorizerCredentialsArn: tollgate.invokeRoleArn,
  });
  let found = false;
  each(api, node => {
    if (!(node instanceof CfnRoute) || node.routeKey !== '$connect') return;
    found = true;
    guard(node, authorizer);
  });
  tollgate.node.addValidation({
    validate: () => found ? [] : [`\`${api.node.path}\` has no route \`$connect\`: add one, or ` +
      'everybody may connect'],
  });
}

/**
 * Returns the headers without which API Gateway answers 401 by itself. It asks for all of them, so
 * with `either` there is none.
 */
function identitySources(tollgate: TollgateAuthorizer, isOpen: boolean): string[] {
  if (isOpen) return [];
  return {
    token: ['Authorization'], key: ['x-api-key'], both: ['Authorization', 'x-api-key'], either: [],
  }[tollgate.credentials];
}

function guard(route: CfnRoute, authorizer: CfnAuthorizerV2): void {
  claim(route, authorizer);
  route.authorizationType = 'CUSTOM';
  route.authorizerId = authorizer.ref;
}

/** Refuses to replace another authorizer in silence. */
function claim(node: CfnMethod | CfnRoute, authorizer: CfnResource): void {
  const {authorizationType: type, authorizerId: id} = node;
  if ((type ?? 'NONE') !== 'NONE' && id !== authorizer.ref) {
    throw new Error(`\`${node.node.path}\` has an authorizer of its own (${type}): remove it, or ` +
      'name the route in `open`');
  }
}

/** Visits every construct below, also those that are made later. */
function each(scope: IConstruct, visit: (node: IConstruct) => void): void {
  Aspects.of(scope).add(new class implements IAspect {
    readonly visit = visit;
  }());
}

/** Returns the path of a method, with its variables. */
function pathOf(method: CfnMethod): string {
  const owner = method.node.scope as unknown as {resource?: {path: string}; api?: unknown};
  return owner.resource?.path ?? '/';
}

function unknown(open: Set<string>): string[] {
  return [...open].map(route =>
    `no route \`${route}\`, which \`open\` names: correct it or remove it`);
}
