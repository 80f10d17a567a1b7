"""Calls APIs of each kind by API key alone, behind the authorizer of a stack with Credentials=key.

Deploys infra/examples/{rest-api,http-api,websocket-api}.yaml to ministack in front of the backends
of infra/examples/backends, in Node and Python, and of infra/examples/axum, which runs as a process.

Limits of the emulator, and substitutes:
- Its APIs have shorter ids than AWS's, and a backend has no TLS: parameters lose their patterns.
- An HTTP API has the authorizer's values as `$context.authorizer.lambda.NAME`, not
  `$context.authorizer.NAME`. It sends none of an HTTP integration's headers back, and writes its
  status alone: the service's own tests check its headers.
- A WebSocket API answers 500 to the error `Unauthorized`, where AWS documents 401. It closes a
  connection with 403 where the integration refuses it.
- It has no weights of an alias, no canary of a stage, and no stage variable in an authorizer's
  address. Two aliases of two versions take their place, and calls alternate.
"""

import contextlib
import itertools
import json
import os
import pathlib
import socket
import subprocess

from examples import backend
from report import check
from template import read

RULES = """
[[rule]]
name = "readers"
allow = ["GET /orders", "GET /node", "GET /python", "$connect"]
any_scope = ["orders/read"]

[[rule]]
name = "writers"
allow = ["POST /orders"]
any_scope = ["orders/write"]

[[rule]]
name = "testers"
allow = ["GET /test"]
stages = ["beta"]
any_scope = ["orders/read"]
"""
UNKNOWN = "an-unknown-key-of-another-form"
# The quota of deploy.py's plan.
QUOTA = 20


def run(emulator, deployment, service):
    caller = Caller(deployment)
    demo(deployment, caller)
    apis = Examples(emulator, deployment, caller)
    apis.http(service)
    apis.websocket()
    apis.rest()
    apis.canary()


class Caller:
    """Makes keys as an operator does."""

    def __init__(self, deployment):
        self.deployment = deployment

    def key(self, scope="orders/read"):
        made = self.deployment.admin("key", "create", "--scope", scope, "--json")
        return json.loads(made)["key"]

    def wrong(self):
        """Keys that are not in the table: of our form, mistyped, and of another form."""
        known = self.key()
        mistyped = known[:-1] + ("0" if known[-1] != "0" else "1")
        disabled = self.key()
        self.deployment.admin("key", "disable", "-", given=disabled)
        return {"a mistyped key": mistyped, "an unknown key": UNKNOWN, "a disabled key": disabled}


def demo(deployment, caller):
    print("infra/template.yaml, Credentials=key", flush=True)
    call = lambda method, key: deployment.status(method, "/orders", None, {"x-api-key": key})
    key = caller.key()
    check("a key lists orders", 200, call("GET", key))
    check("a key makes an order", 403, call("POST", key))
    # The backend charges four more to the key's bucket.
    check("a key of a writer makes one", 201, call("POST", caller.key("orders/write")))
    check("a key without the scope", 403, call("GET", caller.key("orders/other")))
    for what, wrong in caller.wrong().items():
        check(what, 401, call("GET", wrong))
    check("no key", 401, deployment.status("GET", "/orders"))
    check("a token alone", 401, deployment.status("GET", "/orders", "e30.e30.e30"))
    limited(caller, lambda key: deployment.call("GET", "/orders", None, {"x-api-key": key}))


def limited(caller, call, waits=True):
    """A new key's quota is used up: 429, with the time to wait."""
    key = caller.key()
    answers = [call(key) for _ in range(QUOTA + 2)]
    check(f"  {QUOTA + 2} calls at a quota of {QUOTA}", [(200, QUOTA), (429, 2)],
          runs(status for status, *_ in answers))
    if waits:
        check("  the time to wait", True, int(answers[-1][1]["retry-after"]) > 0)


def runs(statuses):
    """Statuses in their order, each with the number of times that it follows itself."""
    return [(status, len(list(times))) for status, times in itertools.groupby(statuses)]


class Examples:
    """The examples' stacks, and APIs for them that exist before."""

    def __init__(self, emulator, deployment, caller):
        self.emulator, self.deployment, self.caller = emulator, deployment, caller
        self.given = {"AuthorizerArn": deployment.outputs["AuthorizerArn"], "Credentials": "key"}
        node = backend(deployment, "node", "nodejs22.x", "index.handler", "index.mjs")
        python = backend(deployment, "python", "python3.12", "app.handler", "app.py")
        self.backends = {"node": self.address(node), "python": self.address(python)}

    def address(self, function):
        path = "lambda:path/2015-03-31/functions"
        return f"arn:aws:apigateway:us-east-1:{path}/{function}/invocations"

    def stack(self, name, **parameters):
        print(f"infra/examples/{name}.yaml, Credentials=key", flush=True)
        text = json.dumps(read(f"infra/examples/{name}.yaml"))
        template = json.loads(text.replace("$context.authorizer.", "$context.authorizer.lambda."))
        given = {key: value for key, value in (self.given | parameters).items()
                 if key in template["Parameters"]}
        return self.deployment.make(name, template, given)

    def http(self, service):
        gateway = self.emulator.client("apigatewayv2")
        api = gateway.create_api(Name="http", ProtocolType="HTTP")["ApiId"]
        gateway.create_stage(ApiId=api, StageName="v1", AutoDeploy=True)
        self.stack("http-api", HttpApiId=api, BackendUrl=service.url)
        authorizer, = gateway.get_authorizers(ApiId=api)["Items"]
        for name, address in self.backends.items():
            integration = gateway.create_integration(
                ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=address,
                PayloadFormatVersion="2.0")["IntegrationId"]
            gateway.create_route(
                ApiId=api, RouteKey=f"GET /{name}", Target=f"integrations/{integration}",
                AuthorizationType="CUSTOM", AuthorizerId=authorizer["AuthorizerId"])
        call = lambda path, key: self.emulator.call(
            "GET", f"/_aws/execute-api/{api}/v1/{path}", {"x-api-key": key} if key else {})
        for path in ["orders", *self.backends]:
            check(f"/{path}, by a key", 200, call(path, self.caller.key())[0])
            check(f"/{path}, without", 401, call(path, None)[0])
            limited(self.caller, lambda key: call(path, key), waits=path != "orders")
        for what, wrong in self.caller.wrong().items():
            check(what, 403, call("orders", wrong)[0])
        forged = {"x-api-key": UNKNOWN, "x-authorizer-subject": "pool#maria",
                  "x-authorizer-plan": "free", "x-authorizer-remaining": "9"}
        status = self.emulator.call("GET", f"/_aws/execute-api/{api}/v1/orders", forged)[0]
        check("the authorizer's headers, forged", 403, status)
        for header in ["x-authorizer-throttled", "x-authorizer-subject"]:
            key = self.caller.key()
            status = self.emulator.call("GET", f"/_aws/execute-api/{api}/v1/orders",
                                        {"x-api-key": key, header: "true"})[0]
            check(f"{header}, by a caller with a key", 200, status)

    def websocket(self):
        gateway = self.emulator.client("apigatewayv2")
        api = gateway.create_api(Name="socket", ProtocolType="WEBSOCKET",
                                 RouteSelectionExpression="$request.body.action")["ApiId"]
        gateway.create_stage(ApiId=api, StageName="v1", AutoDeploy=True)
        integration = gateway.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=self.backends["node"])
        self.stack("websocket-api", WebSocketApiId=api,
                   ConnectIntegrationId=integration["IntegrationId"])
        call = lambda key: self.handshake(api, key)
        check("a key connects", 101, call(self.caller.key()))
        for what, wrong in self.caller.wrong().items():
            check(what, 500, call(wrong))
        check("no key", 500, call(None))
        check("a key without the scope", 403, call(self.caller.key("orders/other")))
        key = self.caller.key()
        statuses = [call(key) for _ in range(QUOTA + 2)]
        check(f"  {QUOTA + 2} connections", [(101, QUOTA), (403, 2)], runs(statuses))
        self.logged()

    def handshake(self, api, key):
        """The status of an upgrade."""
        fields = {"Host": "127.0.0.1", "Connection": "Upgrade", "Upgrade": "websocket",
                  "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        if key:
            fields["x-api-key"] = key
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        with socket.create_connection(("127.0.0.1", self.emulator.port), timeout=60) as connection:
            connection.sendall(f"GET /_aws/execute-api/{api}/v1 HTTP/1.1\r\n{head}\r\n".encode())
            with contextlib.closing(connection.makefile("rb")) as answer:
                return int(answer.readline().split()[1])

    def logged(self):
        """The authorizer's log has the code of these refusals, and no key."""
        logs = self.emulator.client("logs")
        group = self.deployment.ids["AuthorizerLog"]
        lines = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
        check("  lines in the log", True, any('"code":"api_key"' in line for line in lines))
        secrets = [line for line in lines if "tg_live_" in line or UNKNOWN in line]
        check("  lines with a key", 0, len(secrets))

    def rest(self):
        gateway = self.deployment.gateway
        self.api = gateway.create_rest_api(name="existing")["id"]
        self.root = gateway.get_resources(restApiId=self.api)["items"][0]["id"]
        methods = {path: self.method(path, "python" if path == "python" else "node")
                   for path in ["node", "python", "test"]}
        outputs = self.stack("rest-api", RestApiId=self.api)
        for method in methods.values():
            self.guard(method, outputs["AuthorizerId"])
        gateway.create_deployment(restApiId=self.api, stageName="v1")
        gateway.create_deployment(restApiId=self.api, stageName="beta", variables={"lane": "beta"})
        for path in self.backends:
            _, _, body = self.call(path, self.caller.key())
            subject = json.loads(body)["subject"]
            check(f"/{path}, the caller's subject", "key-", subject[:4])
            limited(self.caller, lambda key: self.call(path, key))
        for what, wrong in self.caller.wrong().items():
            check(what, 401, self.call("node", wrong)[0])
        # Rules of one stage; the other has a stage variable, which the authorizer's event has too.
        key = self.caller.key()
        statuses = [self.call(path, key, stage)[0]
                    for path in ["test", "node"] for stage in ["v1", "beta"]]
        check("/test at v1 and beta, /node at both", [403, 200, 200, 200], statuses)

    def method(self, path, backend):
        gateway = self.deployment.gateway
        resource = gateway.create_resource(
            restApiId=self.api, parentId=self.root, pathPart=path)["id"]
        place = {"restApiId": self.api, "resourceId": resource, "httpMethod": "GET"}
        gateway.put_method(**place, authorizationType="NONE")
        gateway.put_integration(**place, type="AWS_PROXY", integrationHttpMethod="POST",
                                uri=self.backends[backend])
        return place

    def guard(self, method, authorizer):
        change = lambda path, value: {"op": "replace", "path": path, "value": value}
        self.deployment.gateway.update_method(**method, patchOperations=[
            change("/authorizationType", "CUSTOM"), change("/authorizerId", authorizer)])

    def call(self, path, key, stage="v1"):
        place = f"/restapis/{self.api}/{stage}/_user_request_/{path}"
        return self.emulator.call("GET", place, {"x-api-key": key})

    def canary(self):
        """Two versions of the authorizer, with different rules, count in one table."""
        print("two versions of the authorizer over one table", flush=True)
        gateway, functions = self.deployment.gateway, self.deployment.functions
        function = self.deployment.ids["Authorizer"]
        known = functions.get_function_configuration(FunctionName=function)
        variables = known["Environment"]["Variables"]
        config = variables["AUTHORIZER_CONFIG"]
        variables["AUTHORIZER_CONFIG"] = config.replace("GET /node", "GET /canary")
        functions.update_function_configuration(
            FunctionName=function, Environment={"Variables": variables})
        version = functions.publish_version(FunctionName=function)
        functions.create_alias(
            FunctionName=function, Name="canary", FunctionVersion=version["Version"])
        live = self.given["AuthorizerArn"]
        authorizer = gateway.create_authorizer(
            restApiId=self.api, name="canary", type="REQUEST", authorizerResultTtlInSeconds=0,
            authorizerUri=self.address(live.removesuffix("live") + "canary"),
            identitySource="method.request.header.x-api-key")["id"]
        self.guard(self.method("canary", "node"), authorizer)
        gateway.create_deployment(restApiId=self.api, stageName="v1")
        # Each version allows its own route alone, so both versions answer.
        key = self.caller.key()
        statuses = [self.call(path, key)[0] for _ in range(QUOTA) for path in ["node", "canary"]]
        check(f"{2 * QUOTA} calls, to each in turn, are admitted as one quota of {QUOTA}",
              [(200, QUOTA), (429, QUOTA)], runs(statuses))


class Service:
    """infra/examples/axum, as a process."""

    def __init__(self, executable, emulator, table):
        environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "test",
                       "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
                       "AWS_ENDPOINT_URL_DYNAMODB": emulator.url, "TOLLGATE_TABLE": table,
                       "ADDRESS": "127.0.0.1:0"}
        self.process = subprocess.Popen([executable], env=environment, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        self.url = line.strip().removeprefix("listening on ")
        health = subprocess.run([executable, "health"], check=False,
                                env=environment | {"ADDRESS": pathlib.PurePath(self.url).name})
        check("infra/examples/axum is healthy", 0, health.returncode)

    def end(self):
        self.process.terminate()
        return self.process.wait(30)
