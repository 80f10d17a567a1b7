"""Puts an item into the table that its variables name, and gets it, by plain HTTP."""

import json
import os
import urllib.request


def asked(operation, **body):
    url = os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, "
        "SignedHeaders=host, Signature=0",
        "X-Amz-Date": "20260101T000000Z",
    }
    body = json.dumps({"TableName": os.environ["TABLE"], **body}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        return json.load(answer)


def handler(event, context):
    key = {"id": {"S": event["path"]}}
    asked("PutItem", Item={**key, "color": {"S": "blue"}})
    found = asked("GetItem", Key=key, ConsistentRead=True)["Item"]
    return {"statusCode": 200, "body": json.dumps(found)}
