/** A REST API, an HTTP API and a WebSocket API, each behind an authorizer. */
import {join} from 'node:path';
import {App, Stack} from 'aws-cdk-lib';
import {MockIntegration, RestApi} from 'aws-cdk-lib/aws-apigateway';
import {HttpApi, HttpMethod, WebSocketApi, WebSocketStage} from 'aws-cdk-lib/aws-apigatewayv2';
import {
  HttpUrlIntegration, WebSocketMockIntegration,
} from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import {UserPool} from 'aws-cdk-lib/aws-cognito';
import {TollgateAuthorizer} from '../src';

const app = new App();
const stack = new Stack(app, 'Shop', {env: {region: 'us-east-1', account: '123456789012'}});
const userPool = new UserPool(stack, 'Pool');
const client = userPool.addClient('Client');
const common = {
  userPool,
  clients: [client],
  rules: [{name: 'readers', allow: ['GET /orders', 'GET /orders/*', '$connect'], anyScope: ['orders/read']}],
  plans: {
    free: {
      throttle: {rateLimit: 5, burstLimit: 10}, quota: {limit: 1000, period: 'DAY' as const},
    },
  },
  packages: process.env.TOLLGATE_PACKAGES ?? join(__dirname, '..', '..', 'lambda'),
};

const rest = new RestApi(stack, 'Rest');
rest.root.addResource('orders').addMethod('GET', new MockIntegration());
rest.root.addResource('health').addMethod('GET', new MockIntegration());
new TollgateAuthorizer(stack, 'Auth', {...common, api: {name: 'Rest', stage: 'prod'}})
  .attachToRestApi(rest, {open: ['GET /health']});

const other = new TollgateAuthorizer(stack, 'Other', {...common, refusal: 'context'});
const http = new HttpApi(stack, 'Http');
http.addRoutes({
  path: '/orders', methods: [HttpMethod.GET],
  integration: new HttpUrlIntegration('Orders', 'https://shop.example/orders'),
});
other.attachToHttpApi(http);
const socket = new WebSocketApi(stack, 'Socket', {
  connectRouteOptions: {integration: new WebSocketMockIntegration('Connect')},
});
new WebSocketStage(stack, 'SocketStage', {webSocketApi: socket, stageName: 'v1', autoDeploy: true});
other.attachToWebSocketApi(socket);

app.synth();
