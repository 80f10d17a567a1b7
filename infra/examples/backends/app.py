"""A Lambda backend in Python behind the authorizer: it answers 429 to a caller over its limits.

For `Refusal=context`, on REST APIs (proxy integration) and HTTP APIs (payload 2.0). The authorizer
has charged the request; the context has its decision. Test: tests/scripts/deployment/backends.py.
"""

import json
import re

QUOTA = "https://iana.org/assignments/http-problem-types#quota-exceeded"


def caller(event):
    """The authorizer's context: a REST API makes every value a text, an HTTP API keeps it below `lambda`."""
    context = (event.get("requestContext") or {}).get("authorizer") or {}
    return context.get("lambda", context)


def refusal(event):
    """The answer to a caller over its limits; None for others."""
    context = caller(event)
    # Only the exact word: an odd decision is not a permission to go on. There is none without limits.
    if str(context.get("throttled", False)).lower() == "false":
        return None
    headers = {"content-type": "application/problem+json"}
    # A plan that refuses everything has no time to wait.
    if re.fullmatch(r"[0-9]{1,10}", str(context.get("retryAfter"))):
        headers["retry-after"] = str(context["retryAfter"])
    body = {"type": QUOTA, "title": "Too Many Requests", "status": 429}
    return {"statusCode": 429, "headers": headers, "body": json.dumps(body)}


def handler(event, _context):
    context = caller(event)
    subject = context.get("subject", context.get("sub"))
    # Without a subject the authorizer was not asked: the route is open by mistake.
    if subject is None:
        return {"statusCode": 500, "body": json.dumps({"message": "this route has no authorizer"})}
    return refusal(event) or {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"subject": subject, "plan": context.get("plan")}),
    }
