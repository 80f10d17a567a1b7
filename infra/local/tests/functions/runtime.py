"""The least of a Lambda runtime: asks the Runtime API for events, and answers them."""

import json
import os
import urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"


def run(handler):
    while True:
        with urllib.request.urlopen(f"{API}/invocation/next") as response:
            request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
            event = json.load(response)
        try:
            path, answer = "response", handler(event)
        except Exception as error:  # Whatever it is, the caller's answer is an error.
            path = "error"
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
        body = json.dumps(answer).encode()
        urllib.request.urlopen(f"{API}/invocation/{request_id}/{path}", data=body).close()
