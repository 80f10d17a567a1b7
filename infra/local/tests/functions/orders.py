"""A function behind an API, which tells what it got."""

import json
import os

from runtime import run


def handler(event):
    told = {
        "table": os.environ.get("TABLE"),
        "stage": event["requestContext"]["stage"],
        "resource": event["resource"],
        "parameters": event["pathParameters"],
        "authorizer": event["requestContext"].get("authorizer"),
        "body": event["body"],
    }
    return {"statusCode": 201, "headers": {"X-Mine": "yes"}, "body": json.dumps(told)}


run(handler)
