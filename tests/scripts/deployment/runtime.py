"""Runs the packaged authorizer in AWS's own Runtime Interface Emulator.

Usage: runtime.py PACKAGE, a zip with the executable `bootstrap`. The emulator comes with the SAM CLI.
It takes one call at a time.
"""

import base64
import contextlib
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zipfile

import samcli
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

EMULATOR = pathlib.Path(samcli.__file__).parent / "local/rapid/aws-lambda-rie-x86_64"
ARN = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/v1/GET/orders"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """One key, published on the loopback."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self.key.public_key().public_numbers()
        keys = json.dumps({"keys": [{
            "kty": "RSA", "kid": "k", "alg": "RS256", "use": "sig", "e": "AQAB",
            "n": encoded(numbers.n.to_bytes(256, "big")),
        }]}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-length", str(len(keys)))
                self.end_headers()
                self.wfile.write(keys)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def token(self, client="shop"):
        now = int(time.time())
        header = {"alg": "RS256", "kid": "k"}
        claims = {"iss": self.url, "sub": "maria", "client_id": client, "token_use": "access",
                  "scope": "orders/read", "iat": now, "exp": now + 3600}
        signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{encoded(signature)}"


class Function:
    """The package, unpacked and running in the emulator."""

    def __init__(self, folder, config):
        ports = [free_port(), free_port()]
        self.url = f"http://127.0.0.1:{ports[0]}/2015-03-31/functions/function/invocations"
        self.output = open(f"{folder}/output", "w+b")
        self.process = subprocess.Popen(
            [EMULATOR, "--runtime-interface-emulator-address", f"127.0.0.1:{ports[0]}",
             "--runtime-api-address", f"127.0.0.1:{ports[1]}", f"{folder}/bootstrap"],
            cwd=folder, env={"PATH": os.environ["PATH"], "AUTHORIZER_CONFIG": config},
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
            start_new_session=True,
        )
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports[0])):
                return
            time.sleep(0.1)
        raise SystemExit("the Runtime Interface Emulator does not listen")

    def invoke(self, authorization):
        event = {"type": "TOKEN", "authorizationToken": authorization, "methodArn": ARN}
        request = urllib.request.Request(self.url, json.dumps(event).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def end(self):
        # The function is a child of the emulator's, in the same group.
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(10)
        self.output.seek(0)
        return self.output.read().decode(errors="replace")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check(what, holds, found):
    if not holds:
        raise SystemExit(f"{what}: {found}")
    print(f"  {what}", flush=True)


def main():
    issuer = Issuer()
    config = f"""
[[issuer]]
url = "{issuer.url}"
clients = ["shop"]
token_use = "access"

[[rule]]
name = "readers"
allow = ["GET /orders"]
any_scope = ["orders/read"]
"""
    with tempfile.TemporaryDirectory(prefix="tollgate-runtime-") as folder:
        with zipfile.ZipFile(sys.argv[1]) as package:
            package.extractall(folder)
        os.chmod(f"{folder}/bootstrap", 0o755)

        function = Function(folder, config)
        token = issuer.token()
        answers = [function.invoke(authorization)
                   for authorization in (f"Bearer {token}", "Bearer x", f"Bearer {token}",
                                         f"Bearer {issuer.token('another')}")]
        log = function.end()
        first, second, third, fourth = answers
        allowed = first.get("policyDocument", {}).get("Statement", [{}])[0]
        check("a good token is allowed", first.get("principalId") == "maria"
              and allowed.get("Effect") == "Allow" and ARN in str(allowed.get("Resource")), first)
        check("a bad one is Unauthorized, and nothing more",
              second == {"errorType": "Unauthorized", "errorMessage": "Unauthorized"}, second)
        check("the same again", third == first, third)
        check("another client's is Unauthorized", fourth.get("errorMessage") == "Unauthorized", fourth)
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        codes = [line["code"] for line in lines if "request_id" in line]
        check("each has a line in the log", codes == ["allowed", "malformed", "allowed", "claim"], log)
        check("no token is in it", token.split(".")[1] not in log, "a token was logged")

        function = Function(folder, config.replace('clients = ["shop"]', "clients = []"))
        with contextlib.suppress(OSError):
            function.invoke(f"Bearer {token}")
        log = function.end()
        check("without clients it refuses to start, and says why",
              "the authorizer can't start" in log and "client" in log, log)


if __name__ == "__main__":
    main()
