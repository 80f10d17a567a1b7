"""Deploys infra/template.yaml to ministack, and uses it as its callers and its operator would.

What the emulator hasn't, and what is done instead:
- Of an OpenAPI body it takes neither gateway responses nor `x-amazon-apigateway-any-method`: the
  first are put from the deployed template's own text, by the API's calls; the other is spelled out
  verb by verb.
- It takes API keys from the header alone, whatever the API's key source is; so the authorizer's
  `usageIdentifierKey` is not seen, and the header stands for it.
- It has no CodeDeploy: the alias `live` moves at once.
- Its alarms have no expressions: one alarm is left out.
- It does not transform nested templates: they are, before. It fails to update them, so a second stack
  is made.
- A pool's keys are at the emulator's address, which a `user_pool` can't say: the authorizer's
  configuration has the same issuer by its URL.
"""

import base64
import contextlib
import http.client
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import examples
import keys
from plain import transformed
from proxy import Proxy
from report import check
from template import ROOT, read

HERE = pathlib.Path(__file__).resolve().parent
TEMPLATES = ["template", "authorizer", "notices"]
FUNCTIONS = {"Authorizer": "authorizer", "Orders": "orders", "NoticesFunction": "notices",
             "PlansFunction": "plans"}
# Those that are called after the deployment; the fourth is a part of it.
CALLED = ["Authorizer", "Orders", "NoticesFunction"]
STACK = "tollgate"
PASSWORD = "a-Long-Password-1"
PLAN = {"throttle": {"rateLimit": 100, "burstLimit": 100}, "quota": {"limit": 20, "period": "MONTH"}}
RULES = """
[[rule]]
name = "readers"
allow = ["GET /orders", "POST /function"]
any_scope = ["aws.cognito.signin.user.admin"]
"""
PATIENCE = 60


class Emulator:
    """A running ministack, and clients for it."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment = kept | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            # For its functions.
            "AWS_ENDPOINT_URL": self.url,
            "MINISTACK_HOST": "127.0.0.1",
            "STATE_DIR": f"{folder}/state",
            "TMPDIR": str(folder),
            "AWS_DEFAULT_REGION": "us-east-1",
            "LOG_LEVEL": "WARNING",
            # It would listen for devices besides.
            "IOT_MTLS_ENABLED": "0",
        }
        self.log = open(f"{folder}/ministack.log", "w+b")
        self.process = subprocess.Popen(
            [sys.executable, HERE / "rotating.py"], env=environment,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True,
        )
        wait("the emulator", self.is_ready)

    def is_ready(self):
        if self.process.poll() is not None:
            raise SystemExit(f"the emulator ended: {self.said()}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/_ministack/health")[0] == 200

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-8000:]

    def client(self, service):
        return boto3.client(
            service, endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="test",
            aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}),
        )

    def call(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    def get(self, path):
        return self.call("GET", path)

    def rotate(self):
        os.kill(self.process.pid, signal.SIGUSR1)

    def end(self):
        # Its functions run in its own session's process group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


def wait(what, condition):
    for _ in range(PATIENCE * 10):
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise SystemExit(f"{what} is not there after {PATIENCE} s")


class Deployment:
    """The stack in the emulator."""

    def __init__(self, emulator, folder, bootstraps):
        self.emulator = emulator
        self.folder = folder
        self.bootstraps = bootstraps
        self.cloud = emulator.client("cloudformation")
        self.functions = emulator.client("lambda")
        self.gateway = emulator.client("apigateway")
        self.users = emulator.client("cognito-idp")
        self.templates = {name: read(f"infra/{name}.yaml") for name in TEMPLATES}
        self.template = self.templates["template"]
        self.resources = {name: resource for template in self.templates.values()
                          for name, resource in template["Resources"].items()}
        self.proxies = {name: Proxy(emulator.port) for name in CALLED}

    def package(self):
        """Does what `sam package` does: puts zips and nested templates where the templates say."""
        store = self.emulator.client("s3")
        store.create_bucket(Bucket="packages")
        for name, binary in FUNCTIONS.items():
            released = self.bootstraps / f"release/{binary}-x86_64.zip"
            packed = io.BytesIO(released.read_bytes() if released.exists() else b"")
            if not released.exists():
                # The example backend, which no release has.
                with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                    entry = zipfile.ZipInfo("bootstrap")
                    entry.external_attr = 0o755 << 16
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, (self.bootstraps / binary).read_bytes())
            store.put_object(Bucket="packages", Key=f"{binary}.zip", Body=packed.getvalue())
            code = {"Bucket": "packages", "Key": f"{binary}.zip"}
            self.resources[name]["Properties"]["CodeUri"] = code
        self.resources["Authorizer"]["Properties"].pop("DeploymentPreference")
        self.templates["authorizer"]["Resources"].pop("SilentAlarm")
        # Called while the stack is made, so its address is in the template.
        variables = self.resources["PlansFunction"]["Properties"]["Environment"]["Variables"]
        variables["AWS_ENDPOINT_URL_DYNAMODB"] = self.emulator.url
        for resource in self.template["Resources"].values():
            if resource["Type"] == "AWS::CloudFormation::Stack":
                file = resource["Properties"]["TemplateURL"].replace(".yaml", ".json")
                resource["Properties"]["TemplateURL"] = f"{self.emulator.url}/packages/{file}"
        paths = self.template["Resources"]["Api"]["Properties"]["DefinitionBody"]["paths"]
        for methods in paths.values():
            spelled = methods.pop("x-amazon-apigateway-any-method")
            methods |= {verb: spelled for verb in ("get", "head", "post", "put", "patch", "delete")}
        for name, template in self.templates.items():
            if template is not self.template:
                template = transformed(template)
            body = json.dumps(template).encode()
            store.put_object(Bucket="packages", Key=f"{name}.json", Body=body)

    def deploy(self, parameters, name=STACK):
        self.cloud.create_stack(
            StackName=name,
            TemplateURL=f"{self.emulator.url}/packages/template.json",
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        )
        stack = wait("the stack", lambda: self.settled(name))
        if stack["StackStatus"] != "CREATE_COMPLETE":
            self.print_failures()
            raise SystemExit(f"the stack is {stack['StackStatus']}")
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
        self.ids = self.all_ids(name)
        self.stage = parameters.get("StageName", "v1")
        self.supplement()

    def make(self, name, template, parameters):
        """Makes a stack of a template, and returns its outputs.

        The emulator's ids are shorter than AWS's, so parameters lose their patterns.
        """
        for spec in template["Parameters"].values():
            spec.pop("AllowedPattern", None)
        self.cloud.create_stack(
            StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])
        stack = wait("the stack", lambda: self.settled(name))
        if stack["StackStatus"] != "CREATE_COMPLETE":
            self.print_failures()
            raise SystemExit(f"the stack {name} is {stack['StackStatus']}")
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def failure(self, template, parameters):
        """Makes a stack that fails, and returns the reasons of its failures."""
        name = "wrong"
        try:
            self.cloud.create_stack(
                StackName=name, TemplateURL=f"{self.emulator.url}/packages/{template}.json",
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            )
        except ClientError as error:
            return str(error)
        wait("the failure", lambda: self.settled(name))
        events = self.cloud.describe_stack_events(StackName=name)["StackEvents"]
        said = " ".join(event.get("ResourceStatusReason") or "" for event in events)
        self.cloud.delete_stack(StackName=name)
        wait("the deletion", lambda: self.is_gone(name))
        return said

    def is_gone(self, name):
        with contextlib.suppress(ClientError):
            stack = self.cloud.describe_stacks(StackName=name)["Stacks"][0]
            return stack["StackStatus"].startswith("DELETE_") and "PROGRESS" not in stack["StackStatus"]
        return True

    def all_ids(self, stack):
        """The physical ids of a stack's resources and of those of its nested stacks."""
        ids = {}
        resources = self.cloud.describe_stack_resources(StackName=stack)["StackResources"]
        for resource in resources:
            ids[resource["LogicalResourceId"]] = resource["PhysicalResourceId"]
            if resource["ResourceType"] == "AWS::CloudFormation::Stack":
                ids |= self.all_ids(resource["PhysicalResourceId"])
        return ids

    def print_failures(self):
        for stack in self.cloud.describe_stacks()["Stacks"]:
            events = self.cloud.describe_stack_events(StackName=stack["StackId"])
            for event in events["StackEvents"]:
                if "FAILED" in event["ResourceStatus"]:
                    print(event["LogicalResourceId"], event.get("ResourceStatusReason"))

    def settled(self, name):
        stack = self.cloud.describe_stacks(StackName=name)["Stacks"][0]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    def supplement(self):
        """Adds what the emulator leaves out; see the head of this file."""
        api = self.ids["Api"]
        body = self.template["Resources"]["Api"]["Properties"]["DefinitionBody"]
        for kind, response in body["x-amazon-apigateway-gateway-responses"].items():
            said = json.dumps(response).replace("${AllowedOrigin}", "*")
            response = json.loads(said, object_hook=lambda o: o.get("Fn::Sub", o))
            extra = {"statusCode": str(response["statusCode"])} if "statusCode" in response else {}
            self.gateway.put_gateway_response(
                restApiId=api, responseType=kind, responseParameters=response["responseParameters"],
                responseTemplates=response["responseTemplates"], **extra,
            )
        self.gateway.create_deployment(restApiId=api, stageName=self.stage)
        for name in CALLED:
            known = self.functions.get_function_configuration(FunctionName=self.ids[name])
            variables = known["Environment"]["Variables"]
            variables["AWS_ENDPOINT_URL_DYNAMODB"] = self.proxies[name].url
            variables["AWS_ENDPOINT_URL_SNS"] = self.emulator.url
            if name == "Authorizer" and "UserPool" in self.ids:
                pool = self.ids["UserPool"]
                issuer = "\n".join([
                    f'name = "{pool}"',
                    f'url = "https://cognito-idp.us-east-1.amazonaws.com/{pool}"',
                    f'jwks_uri = "{self.emulator.url}/{pool}/.well-known/jwks.json"',
                ])
                config = variables["AUTHORIZER_CONFIG"]
                check("the authorizer's pool", 1, config.count(f'user_pool = "{pool}"'))
                config = config.replace(f'user_pool = "{pool}"', issuer)
                variables["AUTHORIZER_CONFIG"] = config
            self.configure(name, variables)

    def configure(self, name, variables):
        """Sets a function's variables, and moves the alias of the authorizer to what has them."""
        function = self.ids[name]
        self.functions.update_function_configuration(
            FunctionName=function, Environment={"Variables": variables})
        if name == "Authorizer":
            version = self.functions.publish_version(FunctionName=function)["Version"]
            self.functions.update_alias(
                FunctionName=function, Name="live", FunctionVersion=version)

    def call(self, method, path, token=None, headers=None):
        headers = dict(headers or {})
        if token:
            headers["authorization"] = f"Bearer {token}"
        place = f"/restapis/{self.ids['Api']}/{self.stage}/_user_request_{path}"
        status, fields, body = self.emulator.call(method, place, headers)
        return status, fields, body

    def status(self, method, path, token=None, headers=None):
        return self.call(method, path, token, headers)[0]

    def add_user(self, name):
        """Adds a user as an operator does: by default nobody signs up in the pool."""
        user = {"UserPoolId": self.ids["UserPool"], "Username": name}
        self.users.admin_create_user(**user, MessageAction="SUPPRESS")
        self.users.admin_set_user_password(**user, Password=PASSWORD, Permanent=True)

    def sign_in(self, name):
        answer = self.users.initiate_auth(
            ClientId=self.ids["UserClient"], AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
        )
        return answer["AuthenticationResult"]["AccessToken"]

    def machine(self, scope):
        client = self.users.describe_user_pool_client(
            UserPoolId=self.ids["UserPool"], ClientId=self.ids["MachineClient"],
        )["UserPoolClient"]
        pair = f"{client['ClientId']}:{client['ClientSecret']}".encode()
        status, _, body = self.emulator.call(
            "POST", "/oauth2/token",
            {"authorization": f"Basic {base64.b64encode(pair).decode()}",
             "content-type": "application/x-www-form-urlencoded"},
            f"grant_type=client_credentials&scope={scope}",
        )
        if status != 200:
            raise SystemExit(f"the token endpoint answered {status}: {body!r}")
        return json.loads(body)["access_token"]

    def admin(self, *arguments, given=None):
        environment = {
            "PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1", "TOLLGATE_TABLE": self.outputs["TableName"],
        }
        command = [self.bootstraps / "tollgate", "--endpoint-url", self.emulator.url, *arguments]
        return subprocess.run(
            command, env=environment, input=given, text=True, check=True, capture_output=True,
        ).stdout


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tollgate-emulator-"))
    emulator = None
    try:
        emulator = Emulator(folder)
        print(f"ministack on {emulator.url}", flush=True)
        run(emulator, folder, pathlib.Path(sys.argv[1]))
    except BaseException:
        if emulator:
            sys.stderr.write(emulator.said())
        raise
    finally:
        if emulator:
            emulator.end()
        shutil.rmtree(folder, ignore_errors=True)


def run(emulator, folder, bootstraps):
    deployment = Deployment(emulator, folder, bootstraps)
    deployment.package()
    parameters = {
        "Architecture": "x86_64", "Refusal": "context", "Notices": "true",
        # A machine that is busy building stalls as no data centre does.
        "TableTimeoutMs": "5000", "RevocationCacheSeconds": "0",
        "Plans": json.dumps({"free": PLAN}),
    }
    refuses(deployment, parameters)
    deployment.deploy(parameters)
    print("deployed infra/template.yaml: TOKEN, 429 from the backend", flush=True)
    # Fails if the key is not what the code expects. The emulator ignores the time to live.
    deployment.admin("table", "status")
    stored = json.loads(deployment.admin("plan", "show", "free", "--json"))
    check("the plan is in the table", 1, stored["version"])
    inbox = Inbox(emulator, deployment.outputs["NoticesTopicArn"])

    refused(deployment)
    token = allowed(deployment)
    revoked(deployment)
    token = rotated(emulator, deployment, token)
    limited(deployment, token)
    noticed(inbox)

    parameters |= {"AuthorizerType": "REQUEST", "Refusal": "unknown-key", "Rules": RULES}
    deployment.deploy(parameters, "by-key")
    print("deployed another: REQUEST, 429 from API Gateway", flush=True)
    token = by_key(emulator, deployment)
    examples.deployed(emulator, deployment, token)
    imported(emulator, deployment)
    failing(deployment)

    parameters |= {"Refusal": "context", "Credentials": "key", "Rules": keys.RULES}
    deployment.deploy(parameters, "keys")
    check("a pool, with keys alone", False, "UserPool" in deployment.ids)
    service = keys.Service(bootstraps / "orders-axum", emulator, deployment.outputs["TableName"])
    try:
        keys.run(emulator, deployment, service)
    finally:
        check("infra/examples/axum ends by itself", 0, service.end())

    permitted(deployment)
    examples.services(emulator)
    examples.http_api(emulator)


def refuses(deployment, parameters):
    """A deployment with a wrong plan, or without what the authorizer starts with, fails and says why."""
    wrong = '{"free": {"throttle": {"rateLimit": -1, "burstLimit": 1}}}'
    alone = {"UserPoolId": "us-east-1_abcDEF123", "ClientIds": "1example2"}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("config/tollgate.toml", "")
    layer = deployment.functions.publish_layer_version(
        LayerName="wrong", Content={"ZipFile": packed.getvalue()})["LayerVersionArn"]
    layer = {"ConfigurationLayer": layer, "Architecture": "x86_64"}
    # The emulator does not check the assertions of nested templates.
    for what, template, given, expected in [
        ("a wrong plan", "template", parameters | {"Plans": wrong},
         "plan `free`: `throttle.rateLimit` must not be negative"),
        ("no default plan", "template", parameters | {"DefaultPlan": "gold"},
         "no plan `gold`: add it to `Plans`"),
        ("no rules", "authorizer", alone, "Give UserPoolId, ClientIds and Rules"),
        ("tokens, and no pool", "authorizer", {"Rules": RULES, "Credentials": "either"},
         "Give UserPoolId, ClientIds and Rules"),
        ("a layer without the file", "authorizer", layer, "no file `/opt/tollgate.toml`: the layer"),
    ]:
        found = deployment.failure(template, given)
        check(f"a deployment with {what}", expected, expected if expected in found else found)


def refused(deployment):
    for what, token in [("no token", None), ("no token's form", "nonsense"),
                        ("a token of nobody", "e30.e30.e30")]:
        status, fields, body = deployment.call("GET", "/orders", token)
        check(what, 401, status)
        check("  its body", {"message": "Unauthorized"}, json.loads(body))
        check("  a page may read it", "*", fields.get("access-control-allow-origin"))
    check("a browser's question before a call", 200, deployment.status("OPTIONS", "/orders"))


def allowed(deployment):
    deployment.add_user("maria@example.com")
    token = deployment.sign_in("maria@example.com")
    status, fields, body = deployment.call("GET", "/orders", token)
    check("a user lists orders", (200, [{"id": 1}]), (status, json.loads(body)))
    check("  a page may read it", "*", fields.get("access-control-allow-origin"))
    status, _, body = deployment.call("POST", "/orders", token)
    check("a user makes an order", (403, {"message": "Forbidden"}), (status, json.loads(body)))
    machine = deployment.machine("orders/write")
    check("a machine makes an order", 201, deployment.status("POST", "/orders", machine))
    check("a machine lists orders", 403, deployment.status("GET", "/orders", machine))
    return token


def revoked(deployment):
    deployment.add_user("jan@example.com")
    token = deployment.sign_in("jan@example.com")
    check("another user lists orders", 200, deployment.status("GET", "/orders", token))
    pool = deployment.ids["UserPool"]
    config = f"{deployment.folder}/tollgate.toml"
    known = deployment.functions.get_function_configuration(
        FunctionName=deployment.ids["Authorizer"])
    pathlib.Path(config).write_text(known["Environment"]["Variables"]["AUTHORIZER_CONFIG"])
    deployment.admin("revoke", "token", "-", "--config", config, given=token)
    check(f"after it was revoked in {pool}", 401, deployment.status("GET", "/orders", token))


def rotated(emulator, deployment, old):
    emulator.rotate()
    time.sleep(1)
    new = deployment.sign_in("maria@example.com")
    kid = lambda token: json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"]
    check("the pool's key is another", True, kid(old) != kid(new))
    check("a token of the new key", 200, deployment.status("GET", "/orders", new))
    check("a token of the old key", 401, deployment.status("GET", "/orders", old))
    return new


def limited(deployment, token):
    statuses = [deployment.status("GET", "/orders", token) for _ in range(25)]
    admitted = statuses.count(200)
    # Two were used before: of the first sign-in, and of the second.
    check("25 calls at a quota of 20, 2 of them used", (18, 7), (admitted, statuses.count(429)))
    status, fields, body = deployment.call("GET", "/orders", token)
    check("over the quota", (429, True), (status, int(fields["retry-after"]) > 0))
    kind = "https://iana.org/assignments/http-problem-types#quota-exceeded"
    check("  its body", kind, json.loads(body)["type"])
    used = deployment.admin("usage", "show", f"{deployment.ids['UserPool']}#{subject(token)}",
                            "--by", "month", "--json")
    check("  the operator sees", True, "[20,0]" in re.sub(r"\s", "", used))


def subject(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]


class Inbox:
    """A queue that gets what the topic publishes."""

    def __init__(self, emulator, topic):
        self.queue = emulator.client("sqs")
        self.url = self.queue.create_queue(QueueName="inbox")["QueueUrl"]
        arn = self.queue.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        arn = arn["Attributes"]["QueueArn"]
        emulator.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        self.notices = []

    def read(self):
        got = self.queue.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        for message in got.get("Messages", []):
            self.notices.append(json.loads(json.loads(message["Body"])["Message"]))
            self.queue.delete_message(
                QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return self.notices


def noticed(inbox):
    wait("the second notice", lambda: len(inbox.read()) >= 2)
    time.sleep(3)
    told = sorted((n["percent"], n["period"], n["limit"]) for n in inbox.read())
    check("notices", [(80, "month", 20), (100, "month", 20)], told)


def by_key(emulator, deployment):
    deployment.add_user("li@example.com")
    token = deployment.sign_in("li@example.com")
    status, fields, _ = deployment.call("GET", "/orders", token)
    check("without the usage plan's key", (429, "1"), (status, fields.get("retry-after")))
    key = deployment.gateway.get_api_key(apiKey=deployment.ids["UsageKey"], includeValue=True)
    known = deployment.functions.get_function_configuration(
        FunctionName=deployment.ids["Authorizer"])
    config = known["Environment"]["Variables"]["AUTHORIZER_CONFIG"]
    check("the authorizer has that key", True, f'api_key = "{key["value"]}"' in config)
    header = {"x-api-key": key["value"]}
    check("with it", 200, deployment.status("GET", "/orders", token, header))
    check("without a token", 401, deployment.status("GET", "/orders", None, header))
    check("a route of nobody's", 403, deployment.status("DELETE", "/orders/1", token, header))
    return token


def permitted(deployment):
    """Each role allows the actions, on the kinds of items, that its function asked for, no others."""
    for name, role in [("Authorizer", "AuthorizerRole"), ("Orders", "OrdersRole"),
                       ("NoticesFunction", "NoticesPolicy")]:
        properties = deployment.resources[role]["Properties"]
        policies = properties.get("Policies") or [properties]
        allowed = set()
        for policy in policies:
            for statement in policy["PolicyDocument"]["Statement"]:
                if "dynamodb:LeadingKeys" in json.dumps(statement):
                    action = statement["Action"].removeprefix("dynamodb:")
                    keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
                    allowed |= {(action, key.removesuffix("#*")) for key in keys}
        check(f"{role} allows what was asked for", sorted(allowed),
              sorted(deployment.proxies[name].asked))


def imported(emulator, deployment):
    """API Gateway's own plans and keys come into the table, as infra/examples/export-usage-plans
    collects them."""
    plan = deployment.gateway.create_usage_plan(
        name="gold", throttle={"rateLimit": 0.5, "burstLimit": 7},
        quota={"limit": 1000, "period": "WEEK"})["id"]
    value = "an-old-key-of-api-gateway"
    key = deployment.gateway.create_api_key(name="maria", enabled=True, value=value)["id"]
    deployment.gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    commands = pathlib.Path(deployment.folder) / "commands"
    commands.mkdir()
    (commands / "aws").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "aws"}" "$@"\n')
    for command in commands.iterdir():
        command.chmod(0o755)
    environment = {
        "PATH": f"{commands}:{os.environ['PATH']}", "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": emulator.url,
    }
    exported = pathlib.Path(deployment.folder) / "exported"
    ran = subprocess.run([ROOT / "infra/examples/export-usage-plans", exported], env=environment,
                         capture_output=True, text=True, check=False)
    check("export-usage-plans", (0, ""), (ran.returncode, ran.stderr))
    for _ in range(2):
        said = deployment.admin("import", "--from-export", str(exported))
        check("tollgate import", False, value in said)
    shown = deployment.admin("plan", "show", plan, "--json")
    check("  the plan", True, '"burstLimit":7' in re.sub(r"\s", "", shown))
    keys = json.loads(deployment.admin("key", "list", "--json"))["keys"]
    check("  its key, and no other", [("maria", plan)], [(k["name"], k["plan"]) for k in keys])


def failing(deployment):
    """Without clients the authorizer starts for nobody, and says so."""
    function = deployment.ids["Authorizer"]
    known = deployment.functions.get_function_configuration(FunctionName=function)
    variables = known["Environment"]["Variables"]
    config = re.sub(r"clients = .*", "clients = []", variables["AUTHORIZER_CONFIG"])
    variables["AUTHORIZER_CONFIG"] = config
    deployment.configure("Authorizer", variables)
    check("an authorizer without clients", 500,
          deployment.status("GET", "/orders", "e30.e30.e30"))


if __name__ == "__main__":
    main()
