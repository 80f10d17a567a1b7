"""Stores each connection's id in a file, as a chat's function stores it in a table."""

import os

FOLDER = os.environ["CONNECTIONS"]


def handler(event, context):
    query = event.get("queryStringParameters") or {}
    if query.get("fail"):
        raise ValueError("no")
    if query.get("name") == "nobody":
        return {"statusCode": 401}
    open(os.path.join(FOLDER, event["requestContext"]["connectionId"]), "x").close()
    return {"statusCode": 200}
