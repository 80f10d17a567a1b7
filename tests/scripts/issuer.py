"""Signs in at a local issuer with boto3 and the AWS CLI. Called by `issuer`."""

import json
import subprocess
import sys
import urllib.request

import boto3
from botocore.exceptions import ClientError

ready = json.load(open(sys.argv[1]))
issuer = ready["issuer"].rsplit("/", 1)[0]
client_id = ready["client_id"]
cognito = boto3.client("cognito-idp", endpoint_url=issuer, region_name="us-east-1")


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"{found} for {code}"
        assert error.response["ResponseMetadata"]["RequestId"], "an error has a request id"
        return
    raise AssertionError(f"no {code}")


name, password = "carol", "Throwaway-carol-1!"
answer = cognito.sign_up(
    ClientId=client_id,
    Username=name,
    Password=password,
    UserAttributes=[{"Name": "email", "Value": "carol@example.com"}],
)
assert answer["UserConfirmed"] is False
sign_in = {
    "ClientId": client_id,
    "AuthFlow": "USER_PASSWORD_AUTH",
    "AuthParameters": {"USERNAME": name, "PASSWORD": password},
}
refused("UserNotConfirmedException", cognito.initiate_auth, **sign_in)
confirm = {"ClientId": client_id, "Username": name}
refused("CodeMismatchException", cognito.confirm_sign_up, ConfirmationCode="000000", **confirm)
cognito.confirm_sign_up(ConfirmationCode="123456", **confirm)
refused("UsernameExistsException", cognito.sign_up, ClientId=client_id, Username=name, Password=password)
tokens = cognito.initiate_auth(**sign_in)["AuthenticationResult"]
user = cognito.get_user(AccessToken=tokens["AccessToken"])
attributes = {one["Name"]: one["Value"] for one in user["UserAttributes"]}
assert (user["Username"], attributes["email_verified"]) == (name, "true"), user
renewed = cognito.get_tokens_from_refresh_token(
    ClientId=client_id, RefreshToken=tokens["RefreshToken"]
)
assert renewed["AuthenticationResult"]["AccessToken"]
cognito.revoke_token(ClientId=client_id, Token=tokens["RefreshToken"])
refused(
    "NotAuthorizedException",
    cognito.get_tokens_from_refresh_token,
    ClientId=client_id,
    RefreshToken=tokens["RefreshToken"],
)
tokens = cognito.initiate_auth(**sign_in)["AuthenticationResult"]
cognito.global_sign_out(AccessToken=tokens["AccessToken"])
refused("NotAuthorizedException", cognito.get_user, AccessToken=tokens["AccessToken"])
print(f"boto3 {boto3.__version__}: signed up, confirmed, signed in, renewed, revoked, signed out")

dynamodb = boto3.client("dynamodb", endpoint_url=ready["dynamodb"], region_name="us-east-1")
table = dynamodb.list_tables()["TableNames"][0]
arn = dynamodb.describe_table(TableName=table)["Table"]["TableArn"]
assert arn == f"arn:aws:dynamodb:us-east-1:123456789012:table/{table}", arn
refused(
    "ValidationException",
    dynamodb.update_time_to_live,
    TableName=table,
    TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"},
)
dynamodb.describe_limits()
dynamodb.describe_endpoints()
dynamodb.describe_continuous_backups(TableName=table)
print(f"boto3 {boto3.__version__}: described the table")


def aws(*arguments):
    command = ["aws", *arguments, "--endpoint-url", issuer, "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "{}")


user = ready["users"][0]
parameters = json.dumps({"USERNAME": user["username"], "PASSWORD": user["password"]})
tokens = aws(
    "cognito-idp", "initiate-auth", "--client-id", client_id,
    "--auth-flow", "USER_PASSWORD_AUTH", "--auth-parameters", parameters,
)["AuthenticationResult"]
found = aws("cognito-idp", "get-user", "--access-token", tokens["AccessToken"])
assert found["Username"] == user["username"]
call = urllib.request.Request(f"{ready['api']}/health")
call.add_header("Authorization", f"Bearer {tokens['AccessToken']}")
with urllib.request.urlopen(call) as response:
    assert response.status == 200
print("AWS CLI: signed in, read the user, and called the API")
