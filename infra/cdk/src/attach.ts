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
  /** `REQUEST` for rules by address, and for API keys as subjects. Default: `TOKEN` */
  readonly type?: 'TOKEN' | 'REQUEST';
  /** The origin whose pages may read refusals. Default: `*` */
  readonly allowedOrigin?: string;
  /** Methods that stay open to everybody, such as `GET /health`. Default: none */
  readonly open?: string[];
}

export interface HttpAttachOptions {
  /** Routes that stay open to everybody, such as `GET /health`. Default: none */
  readonly open?: string[];
}

const TOKEN = '^[Bb][Ee][Aa][Rr][Ee][Rr] +[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$';

export function attachRest(
  tollgate: TollgateAuthorizer, api: RestApi, options: AttachOptions,
): void {
  const within = new Construct(tollgate, `Of${api.node.addr}`);
  const type = options.type ?? 'TOKEN';
  const authorizer = new CfnAuthorizer(within, 'Authorizer', {
    name: 'tollgate',
    restApiId: api.restApiId,
    type,
    identitySource: 'method.request.header.Authorization',
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
    identitySource: ['$request.header.Authorization'],
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
