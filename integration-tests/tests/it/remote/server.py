"""Repositories by `git http-backend`, beside plain files: `server.py PORT_FILE LOG_FILE FOLDER`."""

import http.server
import os
import subprocess
import sys

PORT_FILE, LOG_FILE, FOLDER = sys.argv[1:]


class Server(http.server.BaseHTTPRequestHandler):
    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while length := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(length))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def answer(self):
        path, _, query = self.path.partition("?")
        asked = self.body()
        if path.startswith("/private/"):
            if self.headers.get("Authorization") != "basic eC1hY2Nlc3MtdG9rZW46aGlkZGVu":
                return self.send(401, [("WWW-Authenticate", "Basic")], b"")
            path = path.removeprefix("/private")
        if ".git" not in path:
            try:
                with open(FOLDER + path, "rb") as file:
                    return self.send(200, [], file.read())
            except OSError:
                return self.send(404, [], b"nothing here\n")
        environment = dict(
            os.environ,
            GIT_PROJECT_ROOT=FOLDER,
            GIT_HTTP_EXPORT_ALL="1",
            GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
            HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
            PATH_INFO=path,
            QUERY_STRING=query,
            REQUEST_METHOD=self.command,
            CONTENT_TYPE=self.headers.get("Content-Type", ""),
            CONTENT_LENGTH=str(len(asked)),
            REMOTE_ADDR="127.0.0.1",
        )
        done = subprocess.run(
            ["git", "http-backend"], input=asked, env=environment, stdout=subprocess.PIPE
        )
        head, _, told = done.stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n") if line]
        status = next((int(value.split()[0]) for name, value in lines if name == "Status"), 200)
        return self.send(status, [line for line in lines if line[0] != "Status"], told)

    def send(self, status, headers, body):
        with open(LOG_FILE, "a") as log:
            log.write(f"{self.command} {self.path} {status}\n")
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
with open(PORT_FILE + ".new", "w") as said:
    said.write(str(server.server_port))
os.rename(PORT_FILE + ".new", PORT_FILE)
server.serve_forever()
