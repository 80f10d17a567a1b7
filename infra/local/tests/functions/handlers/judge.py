"""A TOKEN authorizer as a handler: the token says what it gets."""


def handler(event, context):
    effect = "Allow" if event["authorizationToken"] == "allow" else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {
        "principalId": "judged",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"line": "a\nb"},
    }
