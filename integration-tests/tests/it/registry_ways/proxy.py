"""A forward proxy: `proxy.py PORT LOG TO`. Whatever host it is asked for, it asks 127.0.0.1:TO, and writes the
method and the host of each request to LOG. TLS passes through it unread (CONNECT)."""

import http.client
import http.server
import socket
import sys
import threading
import urllib.parse

PORT, LOG, TO = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def note(self, host):
        with open(LOG, "a") as log:
            log.write(f"{self.command} {host}\n")

    def forward(self):
        url = urllib.parse.urlsplit(self.path)
        self.note(url.netloc)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) if length else None
        to = http.client.HTTPConnection("127.0.0.1", TO)
        path = url.path + (f"?{url.query}" if url.query else "")
        to.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
        # A name may come several times.
        for name, value in self.headers.items():
            if not name.lower().startswith("proxy-"):
                to.putheader(name, value)
        to.endheaders(body)
        answer = to.getresponse()
        data = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        if self.command != "HEAD" and not answer.getheader("Content-Length"):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = forward

    def do_CONNECT(self):
        self.note(self.path)
        to = socket.create_connection(("127.0.0.1", TO))
        self.send_response_only(200)
        self.end_headers()
        back = threading.Thread(target=pump, args=(to, self.connection))
        back.start()
        pump(self.connection, to)
        back.join()
        self.close_connection = True

    def log_message(self, *words):
        pass


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Proxy).serve_forever()
