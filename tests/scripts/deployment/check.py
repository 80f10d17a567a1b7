"""Tests that infra's templates say what the code reads, asks for and emits.

Usage: check.py FOLDER, with the executables `authorizer` and `tollgate` in the folder.
"""

import io
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
import unittest

import jmespath

import pack
from template import ROOT, Stack, read

BIN = pathlib.Path(sys.argv[1])
TEMPLATE = read("infra/authorizer.yaml")
RESOURCES = TEMPLATE["Resources"]
NOTICES = read("infra/notices.yaml")["Resources"]
DEMO = read("infra/template.yaml")
# A pool, as every stack of the authorizer has one.
RULES = {"Rules": DEMO["Parameters"]["Rules"]["Default"]}
POOL = {"UserPoolId": "eu-central-1_abcDEF123", "ClientIds": "1example2,2example3"}


def source(path):
    """The sources below a folder, without the tests at the end of a file."""
    files = sorted((ROOT / path).rglob("*.rs"))
    return "\n".join(file.read_text().split("#[cfg(test)]")[0] for file in files)


def everything():
    return RESOURCES | NOTICES | DEMO["Resources"]


def alarms():
    return {name: resource["Properties"] for name, resource in everything().items()
            if resource["Type"] == "AWS::CloudWatch::Alarm"}


def configuration(**parameters):
    variables = RESOURCES["Authorizer"]["Properties"]["Environment"]["Variables"]
    return Stack(TEMPLATE, **RULES | POOL | parameters).value(variables["AUTHORIZER_CONFIG"])


def checked(config):
    """What the authorizer's own reading says of a configuration; nothing where it is good."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(config)
        file.flush()
        ran = subprocess.run([BIN / "tollgate", "policy", "check", file.name],
                             capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else ran.stderr


def started(config):
    """The exit code and the line of an authorizer that is started with it."""
    environment = {
        "AUTHORIZER_CONFIG": config, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9",
        "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "PATH": os.environ["PATH"],
    }
    ran = subprocess.run([BIN / "authorizer"], env=environment, capture_output=True, text=True,
                         timeout=60, check=False)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return ran.returncode, next(line for line in lines if line["level"] == "ERROR")


class Configuration(unittest.TestCase):
    def test_each_choice_makes_a_configuration_that_the_authorizer_takes(self):
        for parameters in [
            {}, {"Refusal": "context"}, {"Failure": "open", "AssignedPlans": "false"},
            {"TableTimeoutMs": "10", "RevocationCacheSeconds": "0"},
            {"TableTimeoutMs": "5000", "RevocationCacheSeconds": "3600"}, {"ClientIds": "1example2"},
            {"Credentials": "either"}, {"Credentials": "both"},
        ]:
            config = configuration(**parameters)
            self.assertEqual(Stack(TEMPLATE, **RULES | POOL | parameters).refused(), [])
            self.assertEqual(checked(config), "", config)
            listed = parameters.get("ClientIds", POOL["ClientIds"]).split(",")
            self.assertIn(f"clients = {json.dumps(listed)}", config)

    def test_the_credentials_are_those_of_the_configuration(self):
        for credentials, issuer, keys, subject in [
            ("token", True, False, "sub"), ("key", False, True, "api_key"),
            ("either", True, True, "sub"), ("both", True, True, "api_key"),
        ]:
            pool = POOL if issuer else {"UserPoolId": "", "ClientIds": ""}
            config = configuration(Credentials=credentials, **pool)
            self.assertEqual(checked(config), "", config)
            self.assertEqual("[[issuer]]" in config, issuer, credentials)
            self.assertEqual("[keys]" in config, keys, credentials)
            self.assertEqual(f'require = "{credentials}"' in config, keys, credentials)
            self.assertIn(f'subject = "{subject}"', config)

    def test_the_demo_gives_the_authorizer_what_it_was_given(self):
        stack = DEMO["Resources"]["Tollgate"]["Properties"]
        self.assertEqual(stack["TemplateURL"], "authorizer.yaml")
        made = {"Ref": "UserPool"}
        given = stack["Parameters"]
        self.assertEqual(given["UserPoolId"], {"Fn::If": ["MakesPool", made, {"Ref": "UserPoolId"}]})
        clients = Stack(DEMO).value(given["ClientIds"])
        self.assertEqual(clients, "UserClient,MachineClient")
        for child, resource in [(TEMPLATE, "Tollgate"), (read("infra/notices.yaml"), "QuotaNotices")]:
            given = DEMO["Resources"][resource]["Properties"]["Parameters"]
            self.assertEqual(set(given), set(child["Parameters"]), resource)
            for name in set(given) & set(DEMO["Parameters"]) - {"UserPoolId", "ClientIds"}:
                self.assertEqual(given[name], {"Ref": name})
                one, other = dict(child["Parameters"][name]), dict(DEMO["Parameters"][name])
                one.pop("Default", None), other.pop("Default", None)
                self.assertEqual(one, other, name)

    def test_what_would_not_start_is_refused_before_anything_is_made(self):
        layer = {"ConfigurationLayer": "arn:aws:lambda:us-east-1:123456789012:layer:tollgate:1"}
        for parameters, accepted in [
            (RULES | POOL, True), (layer, True), ({}, False), (POOL, False),
            (RULES | POOL | {"UserPoolId": ""}, False), (RULES | POOL | {"ClientIds": ""}, False),
            (RULES | {"Credentials": "key"}, True), (RULES | {"Credentials": "either"}, False),
            (RULES | POOL | {"Credentials": "both"}, True), ({"Credentials": "key"}, False),
        ]:
            assertion, = TEMPLATE["Rules"]["Configuration"]["Assertions"]
            held = Stack(TEMPLATE, **parameters).holds(assertion["Assert"])
            self.assertEqual(held, accepted, parameters)

    def test_the_parameters_file_is_taken(self):
        file = ROOT / "infra/parameters.yaml"
        given = read("infra/parameters.yaml")
        self.assertIn(f"file://{file.name}", (ROOT / "infra/samconfig.toml").read_text())
        self.assertLessEqual(given.keys(), DEMO["Parameters"].keys())
        self.assertEqual(Stack(DEMO, **given).refused(), [])
        self.assertEqual(given["Rules"].strip(), RULES["Rules"].strip())

    def test_the_configuration_fits_a_functions_environment(self):
        longest = "x" * TEMPLATE["Parameters"]["Rules"]["MaxLength"]
        config = configuration(Rules=longest, Credentials="either",
                               UserPoolId="ap-southeast-1_" + "x" * 55, DefaultPlan="p" * 64,
                               ClientIds=",".join(["x" * 26] * 4))
        self.assertLess(len("AUTHORIZER_CONFIG") + len(config), 4096)

    def test_without_rules_clients_or_pool_it_refuses_to_start_and_says_why(self):
        pattern = RESOURCES["CannotStart"]["Properties"]["FilterPattern"]
        message = re.fullmatch(r'\{ \$\.message = "(.*)" \}', pattern)[1]
        for parameters, said in [
            ({"Rules": ""}, "rule"), ({"ClientIds": ""}, "client"), ({"UserPoolId": ""}, "user pool"),
        ]:
            code, line = started(configuration(**parameters))
            self.assertEqual((code, line["message"], line["code"]), (2, message, "config"))
            self.assertIn(said, line["detail"])
            self.assertIn("AUTHORIZER_CONFIG", line["detail"])

    def test_what_the_authorizer_would_refuse_validation_refuses(self):
        for name, worst in [
            ("TableTimeoutMs", ["9", "5001"]), ("RevocationCacheSeconds", ["3601"]),
            ("DefaultPlan", ["", 'a"b']), ("Failure", ["ajar"]), ("Refusal", ["loud"]),
            ("AssignedPlans", ["perhaps"]), ("Credentials", ["keys", 'key"']),
        ]:
            for value in worst:
                config = configuration(**{name: value})
                self.assertNotEqual(checked(config), "", value)
                self.assertEqual(Stack(TEMPLATE, **{name: value}).refused(), [name], value)

    def test_validation_refuses_what_would_fail_later(self):
        for name, worst in [
            ("UserPoolId", ["us-east-1", "US-east-1_x", "us-east-1_a b", 'us-east-1_a"']),
            ("ClientIds", ["a, b", ",", "a,", 'a"]']),
            ("StageName", ["", "v 1", "v/1", "$default"]),
            ("AllowedOrigin", ["", "shop.example", "https://shop.example/", "'*'", "a,b"]),
            ("StageRateLimit", ["0", "10001"]), ("StageBurstLimit", ["0", "5001"]),
            ("WafRateLimit", ["-1"]), ("AccessLogs", ["yes"]), ("SelfSignUp", ["yes"]),
            ("ReservedConcurrency", ["-1"]), ("Deployment", ["Sometimes"]),
            ("KeyArn", ["alias/tollgate"]), ("Plans", ["x" * 4001]),
            ("Architecture", ["x86"]), ("MemorySize", ["127", "10241"]),
            ("LogLevel", ["TRACE", "WARN"]), ("LogRetentionDays", ["2"]),
            ("AlarmEmail", ["maria"]), ("NoticesEmail", ["a@b@c"]),
            ("CreateUserPool", ["yes"]), ("Notices", ["1"]), ("AuthorizerType", ["COGNITO"]),
            ("ConfigurationLayer", ["arn:aws:s3:::x"]), ("Rules", ["x" * 2801]),
        ]:
            for value in worst:
                self.assertEqual(Stack(DEMO, **{name: value}).refused(), [name], value)

    def test_every_parameter_is_bounded(self):
        bounds = {"AllowedValues", "AllowedPattern", "MinValue", "MaxLength"}
        for template in [TEMPLATE, DEMO, read("infra/notices.yaml")]:
            for name, spec in template["Parameters"].items():
                self.assertTrue(bounds & spec.keys(), name)
        for template in [TEMPLATE, DEMO]:
            self.assertEqual(Stack(template).refused(), [])


class Functions(unittest.TestCase):
    def test_variables_are_those_that_the_code_reads(self):
        names = re.compile(r'"((?:AUTHORIZER|TOLLGATE|NOTICES|ALLOWED)_[A-Z_]+)"')
        for function, crate in [("Authorizer", "authorizer/src"), ("Orders", "infra/orders/src"),
                                ("NoticesFunction", "infra/notices/src"),
                                ("PlansFunction", "infra/plans/src")]:
            variables = everything()[function]["Properties"]["Environment"]["Variables"]
            # shell.rs makes commands for people, with a variable of `tollgate`.
            people = ROOT / crate / "shell.rs"
            people = set(names.findall(people.read_text())) if people.exists() else set()
            read_here = set(names.findall(source(crate))) - people
            self.assertEqual(set(variables), read_here, function)

    def test_each_is_built_from_the_executable_of_its_crate(self):
        for function in ["Authorizer", "Orders", "NoticesFunction", "PlansFunction"]:
            resource = everything()[function]
            crate = ROOT / "infra" / resource["Properties"]["CodeUri"]
            name = resource["Metadata"]["BuildProperties"]["Binary"]
            self.assertIn(f'name = "{name}"', (crate / "Cargo.toml").read_text())
            self.assertTrue((crate / "src/main.rs").exists())
            self.assertEqual(resource["Metadata"]["BuildMethod"], "rust-cargolambda")

    def test_a_version_is_published_for_each_change_of_the_function_and_for_no_other(self):
        """CloudFormation publishes one if its description changes, and fails if the function has not."""
        layer = {"ConfigurationLayer": "arn:aws:lambda:us-east-1:123456789012:layer:tollgate:1"}
        other = {
            "Credentials": "both", "UserPoolId": "eu-west-1_x", "ClientIds": "4example5",
            "Rules": RULES["Rules"] + "# more", "DefaultPlan": "gold", "AssignedPlans": "false",
            "Refusal": "context", "Failure": "open", "TableTimeoutMs": "100",
            "RevocationCacheSeconds": "1", "Architecture": "x86_64", "MemorySize": "512",
            "LogLevel": "DEBUG", "Plans": "{}", "ReservedConcurrency": "5", "Stream": "true",
            "Deployment": "Canary10Percent5Minutes", "LogRetentionDays": "1", "KeyArn": "arn",
            "DeletionProtection": "true", "AlarmEmail": "a@b", "ApiName": "shop", "StageName": "v2",
            "ConfigurationLayer": layer["ConfigurationLayer"].replace(":1", ":2"),
        }
        self.assertEqual(set(other), set(TEMPLATE["Parameters"]))
        function = RESOURCES["Authorizer"]["Properties"]
        self.assertEqual(function["VersionDescription"],
                         {"Fn::Sub": "settings ${StoredPlans.Settings}"})
        published = [function[name] for name in ("Environment", "Layers", "LoggingConfig")]
        published += [{"Ref": "MemorySize"}, {"Ref": "Architecture"}]
        settings = RESOURCES["StoredPlans"]["Properties"]["Settings"]
        for base in [RULES | POOL, RULES | {"Credentials": "key"}, layer,
                     RULES | POOL | {"Credentials": "either"}]:
            before = Stack(TEMPLATE, **base)
            for name, value in other.items():
                after = Stack(TEMPLATE, **base | {name: value})
                self.assertEqual(before.value(published) != after.value(published),
                                 before.value(settings) != after.value(settings), (base, name))

    def test_the_log_level_reaches_each(self):
        for name, resource in everything().items():
            if resource["Type"] == "AWS::Serverless::Function":
                level = resource["Properties"]["LoggingConfig"]["ApplicationLogLevel"]
                self.assertEqual(level, {"Ref": "LogLevel"}, name)
                crate = ROOT / "infra" / resource["Properties"]["CodeUri"] / "src"
                self.assertIn('"AWS_LAMBDA_LOG_LEVEL"', source(crate), name)

    def test_the_first_call_finds_its_plan(self):
        for template in [TEMPLATE, DEMO]:
            parameters = template["Parameters"]
            plans = json.loads(parameters["Plans"]["Default"])
            self.assertIn(parameters["DefaultPlan"]["Default"], plans)
        needed = RESOURCES["StoredPlans"]["Properties"]["Needed"]
        self.assertEqual(Stack(TEMPLATE, **POOL).value(needed), ["free"])


class Table(unittest.TestCase):
    def test_its_shape_is_the_codes(self):
        constants = dict(re.findall(r'const (PK|EXPIRES_AT): &str = "(\w+)";',
                                    (ROOT / "infra/table/src/item.rs").read_text()))
        table = RESOURCES["Table"]["Properties"]
        self.assertEqual(table["KeySchema"],
                         [{"AttributeName": constants["PK"], "KeyType": "HASH"}])
        self.assertEqual(table["AttributeDefinitions"],
                         [{"AttributeName": constants["PK"], "AttributeType": "S"}])
        self.assertEqual(table["TimeToLiveSpecification"],
                         {"AttributeName": constants["EXPIRES_AT"], "Enabled": True})
        self.assertEqual(table["BillingMode"], "PAY_PER_REQUEST")

    def test_it_outlives_the_stack(self):
        for name in ["Table", "UserPool"]:
            self.assertEqual(everything()[name]["DeletionPolicy"], "RetainExceptOnCreate")
            self.assertEqual(everything()[name]["UpdateReplacePolicy"], "Retain")
        table = RESOURCES["Table"]["Properties"]
        self.assertTrue(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"])
        key = "arn:aws:kms:us-east-1:123456789012:key/1"
        given = Stack(TEMPLATE, KeyArn=key).value(table["SSESpecification"])
        self.assertEqual(given, {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key})
        # AWS's own key, which costs nothing: `SSEEnabled` alone would be a key that does.
        self.assertEqual(Stack(TEMPLATE).value(table["SSESpecification"]), "AWS::NoValue")
        protected = Stack(TEMPLATE, DeletionProtection="true").value(table["DeletionProtectionEnabled"])
        self.assertTrue(protected)

    def test_the_stream_hands_over_what_notices_read(self):
        prefix = re.search(r'PREFIX: &\'static str = "(BUCKET#)"', source("throttle/src/dynamo"))[1]
        filters = NOTICES["NoticesSource"]["Properties"]["FilterCriteria"]["Filters"]
        pattern = json.loads(filters[0]["Pattern"])
        self.assertEqual(pattern["dynamodb"]["Keys"]["pk"]["S"], [{"prefix": prefix}])
        stream = RESOURCES["Table"]["Properties"]["StreamSpecification"]
        self.assertEqual(Stack(TEMPLATE, Stream="true").value(stream),
                         {"StreamViewType": "NEW_IMAGE"})


class Api(unittest.TestCase):
    def body(self, **parameters):
        return Stack(DEMO, **parameters).value(DEMO["Resources"]["Api"]["Properties"]["DefinitionBody"])

    def test_each_method_asks_for_a_token_and_the_plans_key_but_the_preflight(self):
        for parameters, security in [({}, {"tollgate": [], "plan": []}),
                                     ({"Refusal": "context"}, {"tollgate": []})]:
            for path, methods in self.body(**parameters)["paths"].items():
                for method, operation in methods.items():
                    expected = [] if method == "options" else [security]
                    self.assertEqual(operation["security"], expected, (path, method))

    def test_nothing_is_kept_so_that_each_call_is_counted(self):
        scheme = self.body()["components"]["securitySchemes"]["tollgate"]
        authorizer = scheme["x-amazon-apigateway-authorizer"]
        self.assertEqual(authorizer["authorizerResultTtlInSeconds"], 0)
        self.assertEqual(authorizer["type"], "token")
        pattern = authorizer["identityValidationExpression"]
        for good in ["Bearer a.b.c", "bearer  e30.e30.-_"]:
            self.assertTrue(re.fullmatch(pattern, good), good)
        for bad in ["", "a.b.c", "Bearer", "Bearer a.b", "Basic a.b.c", "Bearer a.b.c.d"]:
            self.assertFalse(re.fullmatch(pattern, bad), bad)

    def test_the_authorizer_is_called_for_each_credential(self):
        """API Gateway calls an authorizer only if a request has all of its identity sources."""
        token, key = "method.request.header.Authorization", "method.request.header.x-api-key"
        for parameters, kind, source in [
            ({}, "token", token), ({"AuthorizerType": "REQUEST"}, "request", token),
            ({"AuthorizerType": "OPEN"}, "request", "AWS::NoValue"),
            ({"Credentials": "key"}, "request", key),
            ({"Credentials": "key", "AuthorizerType": "OPEN"}, "request", "AWS::NoValue"),
            ({"Credentials": "both"}, "request", f"{token},{key}"),
            ({"Credentials": "either"}, "request", "AWS::NoValue"),
            ({"Credentials": "either", "AuthorizerType": "REQUEST"}, "request", "AWS::NoValue"),
        ]:
            scheme = self.body(**parameters)["components"]["securitySchemes"]["tollgate"]
            authorizer = scheme["x-amazon-apigateway-authorizer"]
            self.assertEqual((authorizer["type"], authorizer["identitySource"]), (kind, source),
                             parameters)
            self.assertEqual(authorizer["authorizerResultTtlInSeconds"], 0)

    def test_keys_alone_make_no_pool(self):
        self.assertTrue(Stack(DEMO).holds(DEMO["Conditions"]["MakesPool"]))
        self.assertFalse(Stack(DEMO, Credentials="key").holds(DEMO["Conditions"]["MakesPool"]))
        self.assertTrue(Stack(DEMO, Credentials="either").holds(DEMO["Conditions"]["MakesPool"]))

    def test_the_commands_of_the_outputs_send_the_credentials(self):
        for credentials, token, key in [("token", True, False), ("key", False, True),
                                        ("either", False, True), ("both", True, True)]:
            call = Stack(DEMO, Credentials=credentials).value(DEMO["Outputs"]["TryCall"]["Value"])
            self.assertEqual(("Bearer $TOKEN" in call, "x-api-key: $KEY" in call), (token, key), call)

    def test_refusals_stay_apart_and_a_page_may_read_them(self):
        body = self.body(AllowedOrigin="https://shop.example")
        responses = body["x-amazon-apigateway-gateway-responses"]
        statuses = {kind: said.get("statusCode") for kind, said in responses.items()}
        self.assertEqual(statuses, {
            "DEFAULT_4XX": None, "DEFAULT_5XX": None, "UNAUTHORIZED": 401, "ACCESS_DENIED": 403,
            "INVALID_API_KEY": 429, "THROTTLED": 429,
        })
        for kind, said in responses.items():
            origin = said["responseParameters"][
                "gatewayresponse.header.Access-Control-Allow-Origin"]
            self.assertEqual(origin, "'https://shop.example'", kind)

    def test_the_authorizer_hands_out_the_usage_plans_own_key(self):
        key = Stack(TEMPLATE).value(RESOURCES["UsageKey"]["Properties"]["Value"])
        self.assertIn(f'api_key = "{key}"', configuration())
        self.assertRegex(key, r"^[0-9a-f]{32}$")
        self.assertNotIn("api_key", configuration(Refusal="context"))


class Examples(unittest.TestCase):
    def found(self, file, output, answer, **parameters):
        """Applies the query of an output's command to an answer of the AWS CLI."""
        template = read(f"infra/examples/{file}")
        command = Stack(template, **parameters).value(template["Outputs"][output]["Value"])
        return jmespath.search(shlex.split(command)[-1], answer)

    def test_the_methods_that_are_open_are_listed(self):
        method = lambda verb, kind, key: {"httpMethod": verb, "authorizationType": kind,
                                          "apiKeyRequired": key}
        answer = {"items": [{"path": "/"}, {"path": "/orders", "resourceMethods": {
            "GET": method("GET", "CUSTOM", True), "POST": method("POST", "CUSTOM", False),
            "PUT": method("PUT", "NONE", True), "OPTIONS": {"httpMethod": "OPTIONS"},
        }}]}
        found = self.found("rest-api.yaml", "OpenMethods", answer, UsagePlanId="abcdef")
        self.assertEqual(found, [{"path": "/orders", "open": ["POST", "PUT", "OPTIONS"]}])
        # With Refusal=context no method needs a key.
        found = self.found("rest-api.yaml", "OpenMethods", answer)
        self.assertEqual(found, [{"path": "/orders", "open": ["PUT", "OPTIONS"]}])

    def test_the_routes_that_are_open_are_listed(self):
        answer = {"Items": [{"RouteKey": "ANY /orders", "AuthorizationType": "CUSTOM"},
                            {"RouteKey": "$default", "AuthorizationType": "NONE"},
                            {"RouteKey": "GET /x"}]}
        found = self.found("http-api.yaml", "OpenRoutes", answer)
        self.assertEqual(found, ["$default", "GET /x"])


    def test_the_image_is_made_of_what_there_is(self):
        """There is no container runtime here: hadolint and this test are all that reads the file."""
        folder = ROOT / "infra/examples/axum"
        lines = (folder / "Dockerfile").read_text().splitlines()
        name = re.search(r'^name = "(.*)"$', (folder / "Cargo.toml").read_text(), re.M)[1]
        version = re.search(r'^rust-version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        self.assertIn(f"FROM rust:{version}-bookworm AS build", lines)
        self.assertIn(f"RUN cargo build --release --locked -p {name}", lines)
        self.assertIn(f"COPY --from=build /tollgate/target/release/{name} /{name}", lines)
        self.assertIn(f'ENTRYPOINT ["/{name}"]', lines)
        # What is built outside is not sent to the build.
        ignored = (folder / "Dockerfile.dockerignore").read_text().splitlines()
        self.assertLessEqual({"**/target", "**/node_modules", ".git"}, set(ignored))
        self.assertTrue(any(line.startswith("HEALTHCHECK ") and f'CMD ["/{name}", "health"]' in line
                            for line in lines))


class Release(unittest.TestCase):
    def test_the_application_repository_takes_what_is_said_of_the_application(self):
        """The bounds are AWS's (SAM template Metadata section properties)."""
        said = TEMPLATE["Metadata"]["AWS::ServerlessRepo::Application"]
        for name, pattern in {
            "Name": r"[a-zA-Z0-9-]{1,140}", "Author": r"[a-z0-9](([a-z0-9]|-(?!-))*[a-z0-9])?",
            "Description": r".{1,256}", "SpdxLicenseId": r"[A-Za-z0-9.-]+",
            "SemanticVersion": r"\d+\.\d+\.\d+",
        }.items():
            self.assertRegex(said[name], f"^{pattern}$")
        version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        self.assertEqual(said["SemanticVersion"], version)
        for name in ["LicenseUrl", "ReadmeUrl"]:
            self.assertTrue((ROOT / "infra" / said[name]).exists(), name)

    def test_wrong_arguments_make_nothing(self):
        for arguments in [[], ["--fast", "out"], ["one", "two"], ["--debug"], ["--twice", "--debug"]]:
            with tempfile.TemporaryDirectory() as folder:
                ran = subprocess.run([ROOT / "tests/scripts/release", *arguments], cwd=folder,
                                     capture_output=True, text=True, check=False)
                self.assertEqual((ran.returncode, ran.stdout), (2, ""), arguments)
                self.assertIn("tests/scripts/release --twice FOLDER", ran.stderr)
                self.assertEqual(list(pathlib.Path(folder).iterdir()), [])

    def test_an_executable_for_another_processor_is_not_packed(self):
        with self.assertRaises(SystemExit) as refused:
            pack.check_executable(BIN / "authorizer", "arm64", "debug")
        self.assertIn("is not built for arm64: build it for that target", str(refused.exception))
        pack.check_executable(BIN / "authorizer", "x86_64", "debug")

    def test_the_folders_that_deploy_are_packed_whole_and_always_alike(self):
        packed = []
        for _ in range(2):
            with tempfile.TemporaryDirectory() as folder:
                pack.deployment(pathlib.Path(folder) / "infra.tar.gz")
                packed.append((pathlib.Path(folder) / "infra.tar.gz").read_bytes())
        self.assertEqual(*packed)
        with tarfile.open(fileobj=io.BytesIO(packed[0])) as archive:
            names = set(archive.getnames())
            self.assertGreaterEqual(min(entry.mtime for entry in archive), 315_532_800)
        for name in ["authorizer.json", "terraform/main.tf", "cdk/src/index.ts", "cdk/package-lock.json",
                     "examples/rest-api.yaml", "examples/backends/index.mjs", "README.md", "cost"]:
            self.assertIn(f"infra/{name}", names)
        self.assertFalse([name for name in names if "node_modules" in name or name.endswith(".rs")])

    def test_the_list_of_parts_is_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, ROOT / "tests/scripts/deployment/sbom.py", folder, "1.2.3"],
                           check=True, capture_output=True)
            bom = json.loads((pathlib.Path(folder) / "tollgate.cdx.json").read_text())
            licences = (pathlib.Path(folder) / "LICENSES.txt").read_text()
        parts = {part["bom-ref"]: part for part in bom["components"]}
        self.assertIn("pkg:generic/rust-std@", " ".join(parts))
        for part in parts.values():
            self.assertIn(f"{part['name']} {part['version']} (", licences)
            self.assertTrue(part["licenses"], part)
            # On a registry, others may have the names of this repository's packages.
            self.assertEqual(part["purl"].startswith("pkg:cargo/"), "hashes" in part, part)
        known = {bom["metadata"]["component"]["bom-ref"], *parts}
        for edge in bom["dependencies"]:
            self.assertLessEqual({edge["ref"], *edge["dependsOn"]}, known)

    def test_a_template_takes_no_package_for_another_processor(self):
        for name in pack.FUNCTIONS:
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                pack.template(name, "arm64", folder)
                made = read(folder / f"{name}-arm64.yaml")
            architecture = made["Parameters"]["Architecture"]
            self.assertEqual(architecture["AllowedValues"], ["arm64"], name)
            self.assertEqual(architecture["Default"], "arm64", name)
            codes = {resource["Properties"]["CodeUri"] for resource in made["Resources"].values()
                     if resource["Type"] == "AWS::Serverless::Function"}
            self.assertEqual(codes, {f"{function}-arm64.zip" for function in pack.FUNCTIONS[name]})

    def test_a_package_that_cannot_start_fails_the_deployment_soon(self):
        """CloudFormation would wait an hour for an answer."""
        plans = RESOURCES["StoredPlans"]["Properties"]
        self.assertEqual(plans["ServiceTimeout"], 300)
        self.assertGreater(plans["ServiceTimeout"],
                           RESOURCES["PlansFunction"]["Properties"]["Timeout"])

    def test_a_layer_without_the_configuration_fails_the_deployment(self):
        layer = "arn:aws:lambda:us-east-1:123456789012:layer:tollgate:1"
        stack = Stack(TEMPLATE, ConfigurationLayer=layer)
        wanted = stack.value(RESOURCES["StoredPlans"]["Properties"])
        variables = RESOURCES["Authorizer"]["Properties"]["Environment"]["Variables"]
        self.assertEqual(wanted["Configuration"], stack.value(variables["AUTHORIZER_CONFIG"]))
        self.assertEqual(stack.value(RESOURCES["PlansFunction"]["Properties"]["Layers"]), [layer])
        without = Stack(TEMPLATE).value(RESOURCES["StoredPlans"]["Properties"])
        self.assertEqual(without["Configuration"], "AWS::NoValue")


class Watching(unittest.TestCase):
    def emitted(self):
        """The metrics that the authorizer's sources name, and those made of its log."""
        names = set(re.findall(r'"([A-Z][A-Za-z]+)"', source("authorizer/src")))
        for resource in RESOURCES.values():
            if resource["Type"] == "AWS::Logs::MetricFilter":
                for made in resource["Properties"]["MetricTransformations"]:
                    names.add(Stack(TEMPLATE).value(made["MetricName"]))
        return names

    def dashboard(self):
        body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]
        return json.loads(Stack(TEMPLATE, ApiName="shop").value(body))["widgets"]

    def shown(self):
        """Each metric on the dashboard, its short forms spelled out."""
        for widget in self.dashboard():
            last = []
            for row in widget["properties"].get("metrics", []):
                row = [entry for entry in row if isinstance(entry, str)]
                if not row:
                    continue
                if row[0] == "...":
                    row = last[:len(last) - len(row) + 1] + row[1:]
                last = [last[at] if entry == "." else entry for at, entry in enumerate(row)]
                yield last

    def test_the_dashboard_shows_what_is_emitted(self):
        shown = {row[1] for row in self.shown() if row[0] == "Tollgate"}
        self.assertLessEqual(shown, self.emitted())
        self.assertLessEqual({"Decisions", "ColdStarts", "Duration", "KeyFetches", "KeyAge",
                              "TableTime", "Degraded", "Outages"}, shown)
        for widget in self.dashboard():
            self.assertLessEqual(widget["x"] + widget["width"], 24)

    def test_every_code_of_a_decision_is_shown(self):
        refusals = (ROOT / "authorizer/src/refusal.rs").read_text()
        codes = set(re.findall(r'Self::\w+ => "(\w+)"', refusals))
        shown = {row[5] for row in self.shown() if row[1] == "Decisions"}
        decided = {"allowed", "forbidden", "throttled", "no_plan", "wrong_parents",
                   "long_policy"}
        self.assertEqual(shown, codes | decided)

    def test_no_alarm_is_tripped_by_a_401(self):
        self.assertGreater(len(alarms()), 10)
        for name, alarm in alarms().items():
            metrics = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", [])
                       if "MetricStat" in query] or [alarm]
            for metric in metrics:
                if metric["MetricName"] == "Errors":
                    self.assertNotIn({"Name": "FunctionName", "Value": {"Ref": "Authorizer"}},
                                     metric["Dimensions"], name)
                self.assertNotEqual(metric["MetricName"], "4XXError", name)
                if metric["Namespace"] == "Tollgate":
                    self.assertIn(Stack(TEMPLATE).value(metric["MetricName"]), self.emitted(), name)
            self.assertIn(alarm["AlarmActions"], [
                [{"Ref": "AlarmTopic"}], [{"Ref": "AlarmTopicArn"}],
                [{"Fn::GetAtt": ["Tollgate", "Outputs.AlarmTopicArn"]}]], name)

    def test_a_percentile_of_few_requests_trips_no_alarm(self):
        for name, alarm in alarms().items():
            if "ExtendedStatistic" in alarm:
                self.assertEqual(alarm["EvaluateLowSampleCountPercentile"], "ignore", name)

    def test_a_function_that_cannot_log_trips_an_alarm(self):
        queries = {query["Id"]: query for query in alarms()["SilentAlarm"]["Metrics"]}
        self.assertEqual(queries["silent"]["Expression"],
                         "100 * (invocations - FILL(recorded, 0)) / invocations")
        # A canary that fails is a tenth of the calls, and is watched for five minutes.
        silent = alarms()["SilentAlarm"]
        self.assertLess(silent["Threshold"], 10)
        for query in ["invocations", "recorded"]:
            period = queries[query]["MetricStat"]["Period"]
            self.assertLess(period * (silent["DatapointsToAlarm"] + 1), 300)
        self.assertEqual(queries["invocations"]["MetricStat"]["Metric"]["MetricName"], "Invocations")
        self.assertEqual(queries["recorded"]["MetricStat"]["Stat"], "SampleCount")

    def test_a_gradual_deployment_is_watched_and_a_fix_can_be_deployed_at_once(self):
        group = json.loads((ROOT / "infra/authorizer.json").read_text())["Resources"][
            "AuthorizerDeploymentGroup"]["Properties"]
        for deployment, watched in [
            ("Canary10Percent5Minutes", ["StartAlarm", "SilentAlarm", "OutageAlarm", "LatencyAlarm"]),
            ("AllAtOnce", []),
        ]:
            value = Stack(TEMPLATE, Deployment=deployment).value
            alarms = value(group["AlarmConfiguration"])
            self.assertEqual([alarm["Name"] for alarm in alarms.get("Alarms", [])], watched)
            self.assertEqual(alarms.get("Enabled", False), bool(watched))
            self.assertEqual(value(group["DeploymentConfigName"]),
                             f"CodeDeployDefault.Lambda{deployment}")
        self.assertIn("DEPLOYMENT_STOP_ON_ALARM", group["AutoRollbackConfiguration"]["Events"])

    def test_the_dashboard_does_without_an_api(self):
        body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]
        self.assertEqual(len(json.loads(Stack(TEMPLATE).value(body))["widgets"]),
                         len(self.dashboard()) - 1)

    def test_the_manual_says_what_each_alarm_means(self):
        manual = (ROOT / "infra/README.md").read_text()
        for name in alarms():
            self.assertIn(f"`{name}`", manual)

    def test_the_page_of_costs_shows_what_its_command_prints(self):
        page = (ROOT / "infra/COSTS.md").read_text()
        shown = re.findall(r"```console\n\$ infra/cost([^\n]*)\n(.*?)```", page, re.S)
        self.assertEqual(len(shown), 2)
        for options, output in shown:
            ran = subprocess.run([ROOT / "infra/cost", *shlex.split(options)], capture_output=True,
                                 text=True, check=True)
            self.assertEqual(ran.stdout, output, options)

    def test_the_manual_names_tests_that_there_are(self):
        manual = (ROOT / "infra/README.md").read_text()
        tests = {name for path in ["authorizer/src", "authorizer/tests"]
                 for file in (ROOT / path).rglob("*.rs")
                 for name in re.findall(r"fn (\w+)\(", file.read_text())}
        for row in re.findall(r"^\| 3\.\d+ \|.*$", manual, re.M):
            cells = row.split("|")
            for name in re.findall(r"`([a-z0-9_]+)`", cells[4]):
                self.assertIn(name, tests)
            for path in re.findall(r"`([a-z/]+\.rs)`", cells[3]):
                self.assertTrue((ROOT / "authorizer" / path).exists(), path)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
