import {join} from 'node:path';
import {Fn, NestedStack, Token} from 'aws-cdk-lib';
import {RestApi} from 'aws-cdk-lib/aws-apigateway';
import {HttpApi, WebSocketApi} from 'aws-cdk-lib/aws-apigatewayv2';
import {IUserPool, IUserPoolClient} from 'aws-cdk-lib/aws-cognito';
import {ITable, Table} from 'aws-cdk-lib/aws-dynamodb';
import {Architecture} from 'aws-cdk-lib/aws-lambda';
import {IKey} from 'aws-cdk-lib/aws-kms';
import {RetentionDays} from 'aws-cdk-lib/aws-logs';
import {ITopic, Topic} from 'aws-cdk-lib/aws-sns';
import {Asset} from 'aws-cdk-lib/aws-s3-assets';
import {CfnInclude} from 'aws-cdk-lib/cloudformation-include';
import {Construct} from 'constructs';
import {attachHttp, AttachOptions, attachRest, attachWebSocket, HttpAttachOptions} from './attach';
import {packagePath} from './packages';
import * as plans from './plans';
import * as rules from './rules';

/** A token, an API key in `x-api-key`, one of the two, or both. */
export type Credentials = 'token' | 'key' | 'either' | 'both';

export interface TollgateAuthorizerProps {
  /** What a caller sends. Keys are made by `tollgate key create`. Default: `token` */
  readonly credentials?: Credentials;
  /** The user pool whose tokens are accepted; required unless `credentials` is `key`. */
  readonly userPool?: IUserPool;
  /** The app clients of that pool whose tokens are accepted; required with `userPool`. */
  readonly clients?: IUserPoolClient[];
  /** Who may call what; as TOML, the `[[rule]]` tables of the configuration. */
  readonly rules: rules.Rule[] | string;
  /** Plans by name. They are in the table when the deployment ends. */
  readonly plans: Record<string, plans.Plan>;
  /** The plan of callers without another. Default: `free` */
  readonly defaultPlan?: string;
  /** Whether the authorizer asks the table for each caller's plan. Default: true */
  readonly assignedPlans?: boolean;
  /** How a caller over its limits gets 429. HTTP APIs need `context`. Default: `unknown-key` */
  readonly refusal?: 'unknown-key' | 'context';
  /** The decision while the table is unavailable. Default: `closed` */
  readonly failure?: 'closed' | 'open';
  /** Milliseconds for one call to the table, connecting included: 10 to 5000. Default: 500 */
  readonly tableTimeoutMs?: number;
  /** Seconds until a revocation has reached every instance: 0 to 3600. Default: 60 */
  readonly revocationCacheSeconds?: number;
  /** Default: arm64 */
  readonly architecture?: Architecture;
  /** Megabytes of memory: 128 to 10240. Default: 256 */
  readonly memorySize?: number;
  /** Reserved execution environments, which are also the most; 0 for none. Default: 0 */
  readonly reservedConcurrency?: number;
  /** How traffic moves to a new version. Default: `AllAtOnce` */
  readonly deployment?: 'AllAtOnce' | 'Canary10Percent5Minutes' | 'Linear10PercentEvery1Minute';
  /** Default: `INFO` */
  readonly logLevel?: 'INFO' | 'DEBUG';
  /** Default: one month */
  readonly logRetention?: RetentionDays;
  /** A key for the table and the logs. Default: keys that AWS owns */
  readonly key?: IKey;
  /** Whether the table refuses to be deleted by hand. Default: false */
  readonly deletionProtection?: boolean;
  /** The address that gets a message when an alarm changes. Default: nobody */
  readonly alarmEmail?: string;
  /** The name and stage of a REST API, for its alarm and its part of the dashboard. */
  readonly api?: {readonly name: string; readonly stage: string};
  /** Whether the table has a stream, for notices about quotas. Default: false */
  readonly stream?: boolean;
  /** The folder of the release's packages. Default: those in this npm package */
  readonly packages?: string;
}

/** The template that the other ways of deploying have too. */
const TEMPLATE = join(__dirname, '..', '..', 'authorizer.json');
const PACKAGES = join(__dirname, '..', '..', 'lambda');

/** Tollgate's authorizer with its table, plans, alarms and dashboard. */
export class TollgateAuthorizer extends Construct {
  /** The ARN of the authorizer's alias. */
  readonly authorizerArn: string;
  /** The authorizer as an API's `authorizerUri`. */
  readonly authorizerUri: string;
  /** The role as which an API invokes the authorizer. */
  readonly invokeRoleArn: string;
  readonly table: ITable;
  readonly alarmTopic: ITopic;
  /** The id of the usage plan's key; undefined unless `refusal` is `unknown-key`. */
  readonly usageKeyId?: string;
  readonly refusal: 'unknown-key' | 'context';
  readonly credentials: Credentials;

  constructor(scope: Construct, id: string, props: TollgateAuthorizerProps) {
    super(scope, id);
    this.node.addValidation({validate: () => mistakes(props)});
    const architecture = props.architecture ?? Architecture.ARM_64;
    const folder = props.packages ?? PACKAGES;
    const asset = (name: string) =>
      new Asset(this, `${name}Package`, {path: packagePath(folder, name, architecture)});
    const [authorizer, stored] = [asset('authorizer'), asset('plans')];
    const text = (value: unknown) => String(value);
    const parameters: Record<string, string> = {
      Credentials: props.credentials ?? 'token',
      UserPoolId: props.userPool?.userPoolId ?? '',
      ClientIds: !props.clients?.length ? ''
        : Fn.join(',', props.clients.map(client => client.userPoolClientId)),
      Rules: rules.toml(props.rules),
      ConfigurationLayer: '',
      Plans: JSON.stringify(props.plans),
      DefaultPlan: props.defaultPlan ?? 'free',
      AssignedPlans: text(props.assignedPlans ?? true),
      Refusal: props.refusal ?? 'unknown-key',
      Failure: props.failure ?? 'closed',
      TableTimeoutMs: text(props.tableTimeoutMs ?? 500),
      RevocationCacheSeconds: text(props.revocationCacheSeconds ?? 60),
      Architecture: architecture.name,
      MemorySize: text(props.memorySize ?? 256),
      ReservedConcurrency: text(props.reservedConcurrency ?? 0),
      Deployment: props.deployment ?? 'AllAtOnce',
      LogLevel: props.logLevel ?? 'INFO',
      LogRetentionDays: text(props.logRetention ?? RetentionDays.ONE_MONTH),
      KeyArn: props.key?.keyArn ?? '',
      DeletionProtection: text(props.deletionProtection ?? false),
      AlarmEmail: props.alarmEmail ?? '',
      ApiName: props.api?.name ?? '',
      StageName: props.api?.stage ?? 'v1',
      Stream: text(props.stream ?? false),
      CodeBucket: authorizer.s3BucketName,
      AuthorizerKey: authorizer.s3ObjectKey,
      PlansKey: stored.s3ObjectKey,
    };
    // A stack of its own, so that names made of the stack's differ if a stack has two of these.
    const stack = new NestedStack(this, 'Stack', {parameters});
    new CfnInclude(stack, 'Template', {templateFile: TEMPLATE});
    this.refusal = props.refusal ?? 'unknown-key';
    this.credentials = props.credentials ?? 'token';
    const output = (name: string) =>
      stack.nestedStackResource!.getAtt(`Outputs.${name}`).toString();
    this.authorizerArn = output('AuthorizerArn');
    this.authorizerUri = output('AuthorizerUri');
    this.invokeRoleArn = output('InvokeRoleArn');
    this.table = Table.fromTableAttributes(this, 'Table', {tableArn: output('TableArn')});
    this.alarmTopic = Topic.fromTopicArn(this, 'AlarmTopic', output('AlarmTopicArn'));
    this.usageKeyId = this.refusal === 'unknown-key' ? output('UsageKeyId') : undefined;
  }

  /** Guards every method of a REST API but `OPTIONS`, also those that are added later. */
  attachToRestApi(api: RestApi, options: AttachOptions = {}): void {
    attachRest(this, api, options);
  }

  /** Guards every route of an HTTP API, also those that are added later. */
  attachToHttpApi(api: HttpApi, options: HttpAttachOptions = {}): void {
    attachHttp(this, api, options);
  }

  /** Guards a WebSocket API's `$connect`. */
  attachToWebSocketApi(api: WebSocketApi): void {
    attachWebSocket(this, api);
  }
}

/** Returns what is wrong with properties: all of it, at synth. */
function mistakes(props: TollgateAuthorizerProps): string[] {
  const found = [
    ...rules.mistakes(props.rules), ...plans.mistakes(props.plans, props.defaultPlan ?? 'free'),
  ];
  const {credentials = 'token'} = props;
  if (!['token', 'key', 'either', 'both'].includes(credentials)) {
    found.push(`\`credentials\` must be token, key, either or both, not ${credentials}`);
  }
  if (credentials === 'key') {
    if (props.userPool || props.clients?.length) {
      found.push('with `credentials: \'key\'` no token is looked at: remove `userPool` and ' +
        '`clients`, or set `credentials` to `either` or `both`');
    }
  } else {
    if (!props.userPool) {
      found.push('no user pool: name it in `userPool`, or set `credentials` to `key`');
    }
    if (!props.clients?.length) found.push('no client: name the app clients in `clients`');
  }
  const bounds: [keyof TollgateAuthorizerProps, number, number][] = [
    ['tableTimeoutMs', 10, 5000], ['revocationCacheSeconds', 0, 3600], ['memorySize', 128, 10240],
    ['reservedConcurrency', 0, 10000],
  ];
  for (const [name, least, most] of bounds) {
    const value = props[name];
    if (value === undefined || Token.isUnresolved(value)) continue;
    if (!Number.isInteger(value) || Number(value) < least || Number(value) > most) {
      found.push(`\`${name}\` must be a whole number from ${least} to ${most}, not ${value}`);
    }
  }
  return found;
}
