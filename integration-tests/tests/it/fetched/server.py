"""Files for `ADD`: with and without times and tags, moved, missing, and in a circle."""

import http.server
import os
import sys

PORT_FILE, LOG_FILE = sys.argv[1:]
FILES = {
    "/dir/hello.txt": (b"hello\n", "Sun, 09 Sep 2001 01:46:40 GMT", '"hello"'),
    "/moved-to": (b"moved\n", None, None),
    "/a.tar": (b"\0" * 10240, None, '"tar"'),
    "/": (b"top\n", None, None),
}
MOVED = {"/moved": "/moved-to", "/round": "/round"}


class Server(http.server.BaseHTTPRequestHandler):
    def answer(self):
        path = self.path.split("?")[0]
        if path in MOVED:
            return self.send(302, {"Location": MOVED[path]}, b"")
        if path not in FILES:
            return self.send(404, {}, b"nothing here\n")
        body, modified, tag = FILES[path]
        headers = {"Last-Modified": modified, "ETag": tag}
        known = [word.strip() for word in self.headers.get("If-None-Match", "").split(",")]
        if tag and tag in known:
            return self.send(304, headers, b"")
        return self.send(200, headers, body)

    def send(self, status, headers, body):
        with open(LOG_FILE, "a") as log:
            log.write(f"{self.command} {self.path} {status}\n")
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
with open(PORT_FILE + ".new", "w") as said:
    said.write(str(server.server_port))
os.rename(PORT_FILE + ".new", PORT_FILE)
server.serve_forever()
