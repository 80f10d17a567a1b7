"""Runs the mappings of infra/examples in the emulator.

Limits of the emulator, and substitutes:
- Its REST APIs integrate Lambda and SQS alone. So a queue replaces the topic of services.yaml; and
  the calls of SNS, Step Functions and S3 are rendered here, by the Velocity engine of mapping.py,
  and sent to the stack's own topic, state machine and bucket.
- It ignores mappings in an OpenAPI body: the API's calls put them.
- It has no values of a Lambda authorizer in an HTTP API's `$context`, so each is absent. For that
  case the example removes each header first.
"""

import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

from mapping import render
from plain import transformed
from report import check
from template import ROOT, mapped, read

FORMS = ["text/plain", "text/xml", "application/x-www-form-urlencoded", "multipart/form-data"]
BODIES = ["{}", '{"a": "o\'neil & \\"b\\""}', "a&Action=DeleteQueue", "%26Action=DeleteQueue", "+ é"]
FORGED = "Action=SendMessage&MessageBody=forged"


def services(emulator):
    print("infra/examples/services.yaml", flush=True)
    api = RestApi(emulator)
    queue = Queue(emulator)
    integrations = {path: integration for (file, path, _), integration in mapped().items()
                    if file == "services.yaml"}
    message = integrations["/messages"]
    template = message["requestTemplates"]["application/json"]
    expected = "Action=Publish&TopicArn=$util.urlEncode('Topic')&Message="
    check("the message's template", expected, template[:len(expected)])
    body = template[len(expected):].partition("&MessageAttributes.")[0]
    template = f"Action=SendMessage&MessageBody={body}"
    message |= {"uri": queue.uri, "requestTemplates": {"application/json": template}}
    for path, integration in integrations.items():
        api.put(path, integration)
    api.put("/passing", message | {"passthroughBehavior": "when_no_match"})
    api.deploy()

    for path in integrations:
        refused = {kind: api.post(path, FORGED, kind) for kind in FORMS}
        check(f"content types without a template, {path}", {415}, set(refused.values()))
    check("nothing was sent", [], queue.read())
    passed = api.post("/passing", FORGED, FORMS[2])
    check("a form without `never`", (200, ["forged"]), (passed, queue.read()))
    for body in BODIES:
        status = api.post("/messages", body, "application/json")
        check("a JSON body arrives whole", (200, [body]), (status, queue.read()))
    queue.delete()
    check("an error of the service", 400, api.post("/messages", "{}", "application/json"))


def deployed(emulator, deployment, token):
    """Deploys services.yaml, and calls each of its four services."""
    print("infra/examples/services.yaml, deployed", flush=True)
    function = backend(deployment, "orders", "nodejs22.x", "index.handler", "index.mjs")
    key = deployment.gateway.get_api_key(apiKey=deployment.ids["UsageKey"], includeValue=True)
    template = transformed(read("infra/examples/services.yaml"))
    deployment.make("services", template, {
        "AuthorizerArn": deployment.outputs["AuthorizerArn"], "FunctionArn": function,
        "UsagePlanKeyId": key["id"]})
    ids = deployment.all_ids("services")
    place = f"/restapis/{ids['Api']}/v1/_user_request_/function"
    header = {"authorization": f"Bearer {token}", "x-api-key": key["value"]}
    status, _, body = emulator.call("POST", place, header, "{}")
    subject = json.loads(body)["subject"]
    check("POST /function", (200, deployment.ids["UserPool"]), (status, subject.partition("#")[0]))
    check("  without a token", 401, emulator.call("POST", place, {"x-api-key": key["value"]}, "{}")[0])

    mapping = {path: it for (file, path, _), it in mapped().items() if file == "services.yaml"}
    call = lambda path, text: render(
        mapping[path]["requestTemplates"]["application/json"]
        .replace("'Topic'", f"'{ids['Topic']}'").replace('"Machine"', f'"{ids["Machine"]}"'), text)
    signed = {service: {"authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/"
                                         f"{service}/aws4_request, SignedHeaders=host, Signature=0"}
              for service in ["sns", "states", "s3"]}
    for body in BODIES:
        inbox = Queue(emulator, "published")
        emulator.client("sns").subscribe(TopicArn=ids["Topic"], Protocol="sqs", Endpoint=inbox.arn,
                                         Attributes={"RawMessageDelivery": "true"})
        form = signed["sns"] | {"content-type": "application/x-www-form-urlencoded"}
        status = emulator.call("POST", "/", form, call("/messages", body).encode())[0]
        check("SNS publishes the body, with the caller's name", (200, [(body, {"caller": body})]),
              (status, inbox.read_all()))
        inbox.delete()
    states = emulator.client("stepfunctions")
    for caller in ["maria", 'o\'neil "& co"', '", "caller": "admin']:
        start = signed["states"] | {"content-type": "application/x-amz-json-1.0",
                                    "x-amz-target": "AWSStepFunctions.StartExecution"}
        status, _, body = emulator.call("POST", "/", start, call("/runs", caller).encode())
        made = states.describe_execution(executionArn=json.loads(body)["executionArn"])
        check("Step Functions start with the caller's name", (200, {"caller": caller}),
              (status, json.loads(made["input"])))
    emulator.client("s3").put_object(Bucket=ids["Bucket"], Key="a file", Body=b"content")
    uri = mapping["/files/{name}"]["uri"].partition("s3:path")[2]
    place = uri.replace("Bucket", ids["Bucket"]).replace("{name}", "a%20file")
    status, _, body = emulator.call("GET", place, signed["s3"], call("/files/{name}", "{}"))
    check("S3 returns the object", (200, b"content"), (status, body))


def backend(deployment, name, runtime, handler, file):
    """Makes a function of infra/examples/backends; returns its ARN."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(ROOT / "infra/examples/backends" / file, file)
    made = deployment.functions.create_function(
        FunctionName=name, Runtime=runtime, Handler=handler, Code={"ZipFile": packed.getvalue()},
        Role="arn:aws:iam::000000000000:role/backend")
    return made["FunctionArn"]


def http_api(emulator):
    print("infra/examples/http-api.yaml", flush=True)
    resources = read("infra/examples/http-api.yaml")["Resources"]
    mapping = resources["Backend"]["Properties"]["RequestParameters"]
    backend = Backend()
    forged = {key.rpartition(".")[2]: "forged" for key in mapping}
    check("headers of the caller", len(mapping) // 2, len(forged))
    seen = backend.seen(emulator, mapping, forged)
    check("  that arrive", [], sorted(seen & forged.keys()))
    overwritten = {key: value for key, value in mapping.items() if key.startswith("overwrite:")}
    seen = backend.seen(emulator, overwritten, forged)
    check("  that would arrive if they were only overwritten", sorted(forged), sorted(seen & forged.keys()))


class RestApi:
    """A REST API without authorizers; its integrations are put one by one."""

    def __init__(self, emulator):
        self.emulator = emulator
        self.gateway = emulator.client("apigateway")
        self.id = self.gateway.create_rest_api(name="services")["id"]
        self.root = self.gateway.get_resources(restApiId=self.id)["items"][0]["id"]

    def put(self, path, integration):
        parent = self.root
        for part in path.strip("/").split("/"):
            made = self.gateway.create_resource(restApiId=self.id, parentId=parent, pathPart=part)
            parent = made["id"]
        place = {"restApiId": self.id, "resourceId": parent, "httpMethod": "POST"}
        self.gateway.put_method(**place, authorizationType="NONE")
        self.gateway.put_integration(
            **place, type="AWS", integrationHttpMethod="POST", uri=integration["uri"],
            passthroughBehavior=integration["passthroughBehavior"].upper(),
            requestTemplates=integration["requestTemplates"])
        for pattern, response in integration["responses"].items():
            self.gateway.put_method_response(**place, statusCode=response["statusCode"])
            self.gateway.put_integration_response(
                **place, statusCode=response["statusCode"],
                selectionPattern="" if pattern == "default" else pattern,
                responseTemplates=response.get("responseTemplates", {}))

    def deploy(self):
        self.gateway.create_deployment(restApiId=self.id, stageName="v1")

    def post(self, path, body, kind):
        place = f"/restapis/{self.id}/v1/_user_request_{path.replace('{name}', 'a')}"
        return self.emulator.call("POST", place, {"content-type": kind}, body.encode())[0]


class Queue:
    """A queue, and what is in it."""

    def __init__(self, emulator, name="messages"):
        self.client = emulator.client("sqs")
        self.url = self.client.create_queue(QueueName=name)["QueueUrl"]
        attributes = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn = attributes["Attributes"]["QueueArn"]
        self.uri = f"arn:aws:apigateway:us-east-1:sqs:path/{self.arn.split(':')[4]}/{name}"

    def read(self):
        return [body for body, _ in self.read_all()]

    def read_all(self):
        """Bodies, each with its attributes."""
        got = self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        messages = got.get("Messages", [])
        for message in messages:
            self.client.delete_message(
                QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [(message["Body"], {name: value["StringValue"] for name, value
                                   in message.get("MessageAttributes", {}).items()})
                for message in messages]

    def delete(self):
        self.client.delete_queue(QueueUrl=self.url)


class Backend:
    """An HTTP service that answers with the names of the headers that it gets."""

    def __init__(self):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps([name.lower() for name in self.headers]).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def seen(self, emulator, mapping, headers):
        """The headers that arrive through an HTTP API with this mapping."""
        gateway = emulator.client("apigatewayv2")
        api = gateway.create_api(Name="backend", ProtocolType="HTTP")["ApiId"]
        integration = gateway.create_integration(
            ApiId=api, IntegrationType="HTTP_PROXY", IntegrationMethod="ANY",
            IntegrationUri=self.url, PayloadFormatVersion="1.0", RequestParameters=mapping)
        target = f"integrations/{integration['IntegrationId']}"
        gateway.create_route(ApiId=api, RouteKey="ANY /orders", Target=target)
        gateway.create_stage(ApiId=api, StageName="v1", AutoDeploy=True)
        place = f"/_aws/execute-api/{api}/v1/orders"
        status, _, body = emulator.call("GET", place, headers)
        if status != 200:
            raise SystemExit(f"the HTTP API answered {status}: {body!r}")
        return set(json.loads(body))
