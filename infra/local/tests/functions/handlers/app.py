"""A handler as Lambda's Python runtime calls it."""

import json


def handler(event, context):
    if event["path"].endswith("/fail"):
        raise ValueError("no")
    told = {"name": context.function_name, "left": context.get_remaining_time_in_millis() > 0}
    return {"statusCode": 200, "body": json.dumps(told)}
