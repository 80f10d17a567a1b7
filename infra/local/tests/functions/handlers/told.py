"""A handler that tells what it got and what it may use; `/slow` takes two seconds."""

import json
import time


def handler(event, context):
    if event.get("path", "").endswith("/slow"):
        time.sleep(2)
    told = {
        "version": event.get("version"),
        "authorizer": event["requestContext"].get("authorizer"),
        "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis() // 1000,
    }
    return {"statusCode": 200, "body": json.dumps(told)}
