"""Removes a connection's id, and tells why it ended."""

import os

FOLDER = os.environ["CONNECTIONS"]


def handler(event, context):
    context = event["requestContext"]
    os.remove(os.path.join(FOLDER, context["connectionId"]))
    with open(os.path.join(FOLDER, "ended"), "w") as file:
        file.write(f"{context['disconnectStatusCode']} {context['disconnectReason']}")
    return {"statusCode": 200}
