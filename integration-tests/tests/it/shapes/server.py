"""An index of Python packages, a registry of Node's and a repository of Debian's, made here.

    server.py PORT-FILE LOG-FILE FOLDER-OF-DEBS

Serves on all addresses until it is killed; the log has a line per path that was asked for.
"""

import base64
import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.parse
import zipfile

port_file, log_file, debs = sys.argv[1:4]
files = {}


def wheel(name, version, text, needs):
    """A package of one module, as pip installs it without building anything."""
    info = f"{name}-{version}.dist-info"
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    meta += "".join(f"Requires-Dist: {need}\n" for need in needs)
    inside = {
        f"{name}.py": text,
        f"{info}/METADATA": meta,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: it\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD"
    inside[record] = "".join(f"{path},,\n" for path in [*inside, record])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in inside.items():
            archive.writestr(zipfile.ZipInfo(path, (2000, 1, 1, 0, 0, 0)), content)
    file = f"{name}-{version}-py3-none-any.whl"
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    files[f"/wheels/{file}"] = packed.getvalue()
    page = f'<!DOCTYPE html><a href="/wheels/{file}#sha256={digest}">{file}</a>'
    files[f"/simple/{name}/"] = page.encode()


def module(name, version, text, needs):
    """A package of Node's, and what the registry says of it."""
    meta = {"name": name, "version": version, "main": "index.js", "dependencies": needs}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, content in (("package.json", json.dumps(meta)), ("index.js", text)):
            entry = tarfile.TarInfo(f"package/{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
    path = f"/tarballs/{name}-{version}.tgz"
    files[path] = packed.getvalue()
    digest = base64.b64encode(hashlib.sha512(packed.getvalue()).digest()).decode()
    dist = {"tarball": f"AT{path}", "integrity": f"sha512-{digest}"}
    said = {"name": name, "dist-tags": {"latest": version}, "versions": {version: {**meta, "dist": dist}}}
    files[f"/npm/{name}"] = json.dumps(said).encode()


def repository(folder):
    """The packages of a folder with their index."""
    index = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        told = subprocess.run(["dpkg-deb", "-f", path], check=True, capture_output=True, text=True)
        with open(path, "rb") as file:
            content = file.read()
        files[f"/debian/{name}"] = content
        digest = hashlib.sha256(content).hexdigest()
        index.append(f"{told.stdout}Filename: ./{name}\nSize: {len(content)}\nSHA256: {digest}\n")
    files["/debian/Packages"] = "\n".join(index).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with open(log_file, "a") as log:
            log.write(self.path + "\n")
        # apt asks for /debian/./Packages.
        content = files.get(urllib.parse.unquote(self.path).replace("/./", "/"))
        self.send_response(404 if content is None else 200)
        if content is not None and self.path.startswith("/npm/"):
            # Under whichever name the client knows this server.
            content = content.replace(b"AT/", f"http://{self.headers['Host']}/".encode())
        kind = "text/html" if self.path.startswith("/simple/") else "application/octet-stream"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_):
        pass


wheel("words", "2.0", "GREETING = 'hello'\n", [])
wheel("greet", "1.2", "import words\n\ndef greet(who):\n    return f'{words.GREETING}, {who}'\n", ["words>=1"])
module("words", "2.0.0", "module.exports = 'hello';\n", {})
module("greet", "1.2.0", "const words = require('words');\nmodule.exports = (who) => `${words}, ${who}`;\n", {"words": "^2.0.0"})
repository(debs)
server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)
with open(port_file + ".new", "w") as file:
    file.write(str(server.server_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
