"""Stands in for Lambda's Python runtime: asks the Runtime API for events, runs the handler."""

import importlib
import json
import os
import sys
import time
import traceback
import urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"


class Context:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = self.client_context = None
        self.deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self.deadline - int(time.time() * 1000))


class MarshalError(Exception):
    """An answer that is not JSON; the runtime lives on, as on Lambda."""


def marshalled(value):
    try:
        return json.dumps(value).encode()
    except (TypeError, ValueError) as error:
        raise MarshalError(f"Unable to marshal response: {error}") from None


def answer(path, body):
    urllib.request.urlopen(f"{API}/{path}", data=body).close()


def described(error):
    trace = traceback.format_tb(error.__traceback__)
    name = "Runtime.MarshalError" if isinstance(error, MarshalError) else type(error).__name__
    return marshalled({"errorType": name, "errorMessage": str(error), "stackTrace": trace})


def main():
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
    except BaseException as error:
        traceback.print_exc()
        answer("init/error", described(error))
        sys.exit(1)
    while True:
        with urllib.request.urlopen(f"{API}/invocation/next") as response:
            context, event = Context(response.headers), json.load(response)
        try:
            path, body = "response", marshalled(handler(event, context))
        except Exception as error:
            traceback.print_exc()
            path, body = "error", described(error)
        answer(f"invocation/{context.aws_request_id}/{path}", body)


main()
