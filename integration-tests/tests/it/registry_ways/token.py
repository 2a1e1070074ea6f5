"""A token server for docker-registry: `token.py PORT KEY CERT`. It knows one user, `me` with `secret`, who may do
anything; nobody else may pull what is public."""

import base64
import http.server
import json
import subprocess
import sys
import time
import urllib.parse

PORT, KEY, CERT = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words, given=None):
    return subprocess.run(("openssl",) + words, input=given, stdout=subprocess.PIPE, check=True).stdout


CHAIN = [base64.b64encode(openssl("x509", "-in", CERT, "-outform", "der")).decode()]


def token(user, service, scopes):
    access = []
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        actions = actions.split(",")
        allowed = actions if user else [action for action in actions if action == "pull" and name.startswith("public/")]
        access.append({"type": kind, "name": name, "actions": allowed})
    now = int(time.time())
    claims = {"iss": "tests", "sub": user, "aud": service, "exp": now + 300, "nbf": now - 10, "iat": now, "jti": str(now), "access": access}
    head = {"typ": "JWT", "alg": "RS256", "x5c": CHAIN}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))
    return signed + "." + encoded(openssl("dgst", "-sha256", "-sign", KEY, given=signed.encode()))


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        given = self.headers.get("Authorization", "")
        user = ""
        if given:
            if base64.b64decode(given.removeprefix("Basic ")) != b"me:secret":
                self.answer(401, {"details": "incorrect username or password"})
                return
            user = "me"
        scopes = [one for scope in asked.get("scope", []) for one in scope.split(" ")]
        made = token(user, asked.get("service", [""])[0], scopes)
        self.answer(200, {"token": made, "expires_in": 300})

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Server).serve_forever()
