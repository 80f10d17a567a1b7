"""A proxy in front of DynamoDB that records which actions each function asks for, on which items."""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


def kinds(request):
    """The kinds of items that a request names, by the prefix of their keys."""
    tables = request.get("RequestItems", {}).values()
    keys = [key for table in tables for key in table["Keys"]] or [request["Key"]]
    return {key["pk"]["S"].partition("#")[0] for key in keys}


class Proxy:
    """Forwards to a port. `asked` has each action so far with a kind of item: ("GetItem", "PLAN")."""

    def __init__(self, port):
        self.asked = set()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                action = self.headers["x-amz-target"].rpartition(".")[2]
                proxy.asked |= {(action, kind) for kind in kinds(json.loads(body))}
                upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
                upstream.request("POST", self.path, body, headers)
                answer = upstream.getresponse()
                answered = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(answered)))
                self.end_headers()
                self.wfile.write(answered)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
