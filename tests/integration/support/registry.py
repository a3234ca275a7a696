# SPDX-License-Identifier: GPL-2.0-or-later
"""Registries on loopback: Debian's docker-registry, and one of our own that can lie."""

import contextlib
import json
import re
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import wait
from support.archives import run, sha256

USER, PASSWORD = "brig", "pass:word"
HTPASSWD = "brig:$2y$05$d1jl01RTZhHRivMoa9a9ue3vFRdtVQ8QbAcORVNiCJn1yYEy/UVwC\n"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def make_certificate(folder):
    """A certificate for 127.0.0.1 that vouches for itself: (certificate, key)."""
    certificate, key = folder / "registry.crt", folder / "private/registry.key"
    key.parent.mkdir()
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=brig-test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate)
    return certificate, key


@contextlib.contextmanager
def serve(folder, tls=False, password=False, prefix=()):
    """docker-registry with its data in the folder; gives its address, HOST:PORT. prefix: what its command begins with."""
    folder.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    config = {"version": "0.1", "log": {"level": "info", "accesslog": {"disabled": True}},
              "storage": {"filesystem": {"rootdirectory": str(folder / "data")}}, "http": {"addr": address}}
    if tls:
        certificate, key = make_certificate(folder)
        config["http"]["tls"] = {"certificate": str(certificate), "key": str(key)}
    if password:
        (folder / "htpasswd").write_text(HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(config))
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([*prefix, "docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log,
                                   env={"PATH": "/usr/bin"})
    try:
        wait.file_contains(folder / "log", "listening on", 20)
        yield address
    finally:
        process.kill()
        process.wait()


class FakeRegistry:
    """Has the images of an archives.Oci, and of each path what `answers` says instead: bytes, or a function of the
    handler."""

    def __init__(self, oci):
        self.answers, self.asked = {}, []
        self.blobs = {path.rsplit("/", 1)[1]: data for path, data in oci.files.items() if path.startswith("blobs/")}
        self.manifests = {}
        for described in oci.manifests:
            name, tag = described["annotations"]["org.opencontainers.image.ref.name"].split(":")
            self.manifests[name, tag] = described
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                registry.asked.append(self.path)
                registry.answer(self)

            do_HEAD = do_GET

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"

    def asked_for_blobs(self):
        return [path.rsplit(":", 1)[1] for path in self.asked if "/blobs/" in path]

    def answer(self, handler):
        answer = self.answers.get(handler.path)
        if callable(answer):
            answer(handler)
        elif answer is not None:
            self.send(handler, answer)
        elif handler.path == "/v2/":
            self.send(handler, b"{}", "application/json")
        else:
            self.answer_of_image(handler)

    def answer_of_image(self, handler):
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/(.+)", handler.path)
        name, kind, what = match.groups() if match else ("", "", "")
        media_type = "application/octet-stream"
        if kind == "manifests" and (name, what) in self.manifests:
            described = self.manifests[name, what]
            media_type, what = described["mediaType"], described["digest"]
        elif kind == "manifests":
            media_type = next((described["mediaType"] for described in self.manifests.values()
                               if described["digest"] == what), "application/vnd.oci.image.manifest.v1+json")
        data = self.blobs.get(what.removeprefix("sha256:"))
        if data is None:
            self.send(handler, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}',
                      "application/json", 404)
        else:
            self.send(handler, data, media_type)

    @staticmethod
    def send(handler, data, media_type="application/vnd.oci.image.manifest.v1+json", status=200):
        handler.send_response(status)
        handler.send_header("Content-Type", media_type)
        handler.send_header("Content-Length", str(len(data)))
        handler.send_header("Docker-Content-Digest", f"sha256:{sha256(data)}")
        handler.end_headers()
        if handler.command != "HEAD":
            with contextlib.suppress(ConnectionError):
                handler.wfile.write(data)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
