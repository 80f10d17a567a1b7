"""Deploys a release by SAM CLI, as infra/README.md says, with nothing but the release's own files.

Usage: walk.py FOLDER SAM, with the artefacts in FOLDER/release, and the path of `sam`.

What the emulator has not is cut out of the templates by the guide's own commands.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import yaml

import examples
from deploy import Deployment, Emulator
from report import check
from template import read

RULES = """
[[rule]]
name = "readers"
allow = ["GET /orders"]
any_scope = ["orders/read"]
"""
QUOTA = 5
PARAMETERS = {
    "Credentials": "key", "Refusal": "context", "Rules": RULES,
    "Plans": json.dumps({"free": {"quota": {"limit": QUOTA, "period": "DAY"}}}),
    # A machine that is busy building stalls as no data centre does.
    "TableTimeoutMs": "5000",
}


class Release:
    """The artefacts in a folder of their own, deployed as the stack `tollgate`."""

    def __init__(self, artefacts, folder, emulator, sam):
        self.folder, self.emulator, self.sam = folder, emulator, sam
        for file in artefacts.iterdir():
            shutil.copy(file, folder)
        subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=folder, check=True)
        for name in ["tollgate-x86_64-linux.tar.gz", "infra.tar.gz"]:
            with tarfile.open(folder / name) as archive:
                archive.extractall(folder, filter="data")
        # The guide's own commands cut out what the emulator lacks.
        commands = re.findall(r"^\$ (sed (?:.*\\\n)*.*)", (folder / "README.md").read_text(), re.M)
        for command in commands:
            subprocess.run(["bash", "-c", command], cwd=folder, check=True)
        left = read(folder / "emulator.yaml")
        check("the guide's commands", (2, False, False), (
            len(commands), "SilentAlarm" in left["Resources"],
            "DeploymentPreference" in left["Resources"]["Authorizer"]["Properties"]))

    def deploy(self, **parameters):
        """Deploys with these parameters; returns the outputs."""
        (self.folder / "parameters.yaml").write_text(yaml.safe_dump(PARAMETERS | parameters))
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "SAM_CLI_TELEMETRY": "0",
            "AWS_ENDPOINT_URL": self.emulator.url, "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
        }
        ran = subprocess.run(
            [self.sam, "deploy", "-t", "emulator.yaml", "--stack-name", "tollgate", "--resolve-s3",
             "--capabilities", "CAPABILITY_IAM", "--parameter-overrides", "file://parameters.yaml",
             "--no-confirm-changeset", "--no-progressbar"],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise SystemExit(ran.stdout + ran.stderr)
        stack, = self.emulator.client("cloudformation").describe_stacks(StackName="tollgate")["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def attach(deployment, folder):
    """Puts the authorizer in front of an API that exists; returns a call of a path with a key."""
    gateway = deployment.gateway
    api = gateway.create_rest_api(name="existing")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    function = examples.backend(deployment, "existing", "nodejs22.x", "index.handler", "index.mjs")
    template = read(folder / "infra/examples/rest-api.yaml")
    outputs = deployment.make("attached", template, {
        "RestApiId": api, "AuthorizerArn": deployment.outputs["AuthorizerArn"], "Credentials": "key"})
    check("the output AddStage, without a usage plan", False, "AddStage" in outputs)
    for path in ["orders", "stock"]:
        resource = gateway.create_resource(restApiId=api, parentId=root, pathPart=path)["id"]
        place = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
        gateway.put_method(**place, authorizationType="CUSTOM", authorizerId=outputs["AuthorizerId"])
        gateway.put_integration(
            **place, type="AWS_PROXY", integrationHttpMethod="POST",
            uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations")
    gateway.create_deployment(restApiId=api, stageName="v1")
    return lambda path, key: deployment.emulator.call(
        "GET", f"/restapis/{api}/v1/_user_request_/{path}", {"x-api-key": key} if key else {})[0]


def run(emulator, folder, bootstraps, sam):
    release = Release(bootstraps / "release", folder, emulator, sam)
    deployment = Deployment(emulator, folder, bootstraps)
    deployment.bootstraps, = folder.glob("tollgate-*/")
    deployment.outputs = release.deploy()
    print("deployed authorizer-x86_64.yaml of the release, by SAM CLI", flush=True)
    call = attach(deployment, folder)
    new = lambda: json.loads(deployment.admin("key", "create", "--scope", "orders/read", "--json"))["key"]
    key = new()
    check("with a key", 200, call("orders", key))
    check("without", 401, call("orders", None))
    check("a route that no rule has", 403, call("stock", key))
    statuses = [call("orders", key) for _ in range(QUOTA)]
    check(f"{QUOTA} more calls at a quota of {QUOTA}", [200] * (QUOTA - 1) + [429], statuses)

    ids = deployment.all_ids("tollgate")
    alias = lambda: deployment.functions.get_alias(
        FunctionName=ids["Authorizer"], Name="live")["FunctionVersion"]
    first = alias()
    release.deploy(Rules=RULES.replace("GET /orders", "GET /stock"))
    check("other rules are another version, which is live", True, alias() != first)
    check("  of the old rules", 403, call("orders", new()))
    check("  of the new ones", 200, call("stock", new()))
    second = alias()
    release.deploy(Rules=RULES.replace("GET /orders", "GET /stock"), LogRetentionDays="7")
    check("what the function does not have is no version", second, alias())


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tollgate-walk-"))
    emulator = Emulator(folder)
    try:
        run(emulator, folder, pathlib.Path(sys.argv[1]), sys.argv[2])
    except BaseException:
        sys.stderr.write(emulator.said())
        raise
    finally:
        emulator.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
