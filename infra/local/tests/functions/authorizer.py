"""A TOKEN authorizer in the shape of AWS's own example: the token says what it gets."""

from runtime import run


def handler(event):
    token = event["authorizationToken"]
    if token == "unauthorized":
        raise Exception("Unauthorized")
    if token == "fail":
        raise Exception("the secret is missing\nand more")
    effect = "Allow" if token == "allow" else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {
        "principalId": 7,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"stringKey": "value", "numberKey": 123, "booleanKey": True},
    }


run(handler)
