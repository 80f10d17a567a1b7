"""Runs the example backends in Node and Python with events of REST and HTTP APIs.

Usage: backends.py, with `node` in the path.
"""

import json
import subprocess
import sys

from report import check
from template import ROOT

FOLDER = ROOT / "infra/examples/backends"
sys.path.insert(0, str(FOLDER))
import app  # noqa: E402

ALLOWED = {"sub": "maria", "subject": "pool#maria", "plan": "free", "remaining": 3}
OVER = ALLOWED | {"throttled": True, "retryAfter": 7}


def rest(context):
    """A REST API gives every value as a text."""
    said = {name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in context.items()}
    return {"requestContext": {"authorizer": said}}


def http(context):
    return {"version": "2.0", "requestContext": {"authorizer": {"lambda": context}}}


CASES = [
    ("within the limits", ALLOWED, 200, None),
    ("not throttled", ALLOWED | {"throttled": False}, 200, None),
    ("over the limits", OVER, 429, "7"),
    ("over the limits for ever", {k: v for k, v in OVER.items() if k != "retryAfter"}, 429, None),
    ("a time that is none", OVER | {"retryAfter": "soon\r\nx: y"}, 429, None),
    ("an odd decision", ALLOWED | {"throttled": "perhaps"}, 429, None),
    ("no authorizer", {}, 500, None),
]


def node(event):
    script = ("import {handler} from './index.mjs';"
              "console.log(JSON.stringify(await handler(JSON.parse(process.argv[1]))))")
    ran = subprocess.run(["node", "--input-type=module", "-e", script, json.dumps(event)], cwd=FOLDER,
                         check=True, capture_output=True, text=True)
    return json.loads(ran.stdout)


for form in [rest, http]:
    for what, context, status, wait in CASES:
        for language, handler in [("node", node), ("python", lambda event: app.handler(event, None))]:
            answer = handler(form(context))
            found = answer["statusCode"], answer.get("headers", {}).get("retry-after")
            check(f"{language}, {form.__name__}, {what}", (status, wait), found)
            json.loads(answer["body"])
