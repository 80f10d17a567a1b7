"""Makes infra/authorizer.json of infra/authorizer.yaml: plain CloudFormation, without SAM's transform.

The CDK construct and the Terraform module deploy it. The functions' packages are parameters. Their keys
must have a digest of the contents: a new key is what publishes a new version.

Usage: plain.py [write], with the packages of .ci/sam.txt. Without `write` it fails if the file is not
current.
"""

import json
import logging
import sys

from samtranslator.translator.transform import transform

from template import ROOT, read

FILE = ROOT / "infra/authorizer.json"
POLICY = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda"
PACKAGES = {"Authorizer": "AuthorizerKey", "PlansFunction": "PlansKey"}


def parameter(description):
    return {"Type": "String", "Description": description, "AllowedPattern": "^\\S{1,1024}$"}


def transformed(template, **parameters):
    """What SAM makes of a template. No function has a policy by name, which it would look up."""
    logging.disable(logging.WARNING)
    return transform(template, parameters, type("NoPolicies", (), {"load": lambda self: {}})())


def made():
    template = read("infra/authorizer.yaml")
    template.pop("Metadata")
    template["Parameters"] |= {
        "CodeBucket": parameter("The bucket of the functions' packages."),
        "AuthorizerKey": parameter("The key of the package authorizer-ARCHITECTURE.zip."),
        "PlansKey": parameter("The key of the package plans-ARCHITECTURE.zip."),
    }
    for function, key in PACKAGES.items():
        resource = template["Resources"][function]
        resource.pop("Metadata")
        resource["Properties"]["CodeUri"] = {"Bucket": {"Ref": "CodeBucket"}, "Key": {"Ref": key}}
    # The transform would write its value into the template.
    plain = transformed(template, Deployment="AllAtOnce")
    resources = plain["Resources"]
    resources["AuthorizerDeploymentGroup"]["Properties"]["DeploymentConfigName"] = {
        "Fn::Sub": "CodeDeployDefault.Lambda${Deployment}"}
    role = resources["CodeDeployServiceRole"]["Properties"]
    role["ManagedPolicyArns"] = [{"Fn::Sub": POLICY}]
    version, = (name for name in resources if name.startswith("AuthorizerVersion"))
    # Kept, but not that of a deployment that is rolled back: it could not be published again.
    resources[version] |= {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
    resources["StoredPlans"]["Properties"]["Settings"].append({"Ref": PACKAGES["Authorizer"]})
    text = json.dumps(plain, indent=1) + "\n"
    # SAM's name has a digest of the code.
    text = text.replace(version, "AuthorizerVersion")
    # Terraform sends it without its spaces, as the stack's body of at most 51,200 bytes. It escapes
    # three characters by six.
    body = json.dumps(plain, separators=(",", ":"))
    assert len(body) + 5 * sum(map(body.count, "<>&")) < 51_000, len(body)
    return text


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        FILE.write_text(made())
    elif not FILE.exists() or FILE.read_text() != made():
        sys.exit("infra/authorizer.json is not current: run "
                 "`tests/scripts/template plain` and commit the file")
