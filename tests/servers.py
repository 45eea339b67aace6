"""Servers for tests: an S3 bucket on loopback, and a proxy before it that fails as servers do."""

import json
import logging
import os
import socket
import struct
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import urllib3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)  # one line a request otherwise
os.environ.setdefault("NO_PROXY", "127.0.0.1,localhost")

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
PART = 5 * 2**20  # the smallest part of a multipart object that S3 accepts, bytes
PASSED_ON = ("Range", "If-Range", "If-Match")
SENT_BACK = ("ETag", "Content-Range", "Content-Type", "Accept-Ranges", "x-amz-mp-parts-count")


class Bucket:
    """Hold a bucket of an S3 server that everybody may read; objects are addressed as `url`/key."""

    def __init__(self, server, name="natural-scenes-dataset"):
        host, port = server.get_host_and_port()
        self.name, self.url = name, f"http://{host}:{port}/{name}"
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.client.create_bucket(Bucket=name)
        rule = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{name}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [rule]}
        self.client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))

    def put(self, key, content):
        """Store an object in one part."""
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def put_parts(self, key, parts):
        """Store a multipart object."""
        about = {"Bucket": self.name, "Key": key}
        upload = about | {"UploadId": self.client.create_multipart_upload(**about)["UploadId"]}
        done = [
            {"PartNumber": n, "ETag": self.client.upload_part(**upload, PartNumber=n, Body=part)["ETag"]}
            for n, part in enumerate(parts, start=1)
        ]
        self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})

    def put_tree(self, folder):
        """Store all files below a folder under their relative paths."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(path.relative_to(folder).as_posix(), path.read_bytes())


@contextmanager
def s3_bucket():
    """Run a server with a `Bucket` while the context lasts."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield Bucket(server)
    finally:
        server.stop()


@dataclass(frozen=True)
class Fault:
    """Say what goes wrong with one answer; several things may at once."""

    status: int = 0  # answer with this status, and nothing else
    cut: int | None = None  # close the connection after so many bytes of the body
    reset: bool = False  # ... by a reset
    stall: float = 0.0  # ... after so many seconds of silence
    shrink: int | None = None  # send only so many bytes of the body, and announce no more
    corrupt: int | None = None  # change this byte of the object
    ignore_range: bool = False
    rate: float = 0.0  # bytes a second
    headers: dict = field(default_factory=dict)  # to add; None removes


@dataclass
class Request:
    """Hold what was asked and answered."""

    method: str
    key: str
    range: str  # empty if the whole was asked for
    status: int
    connection: int  # the same for requests on one connection
    sent: int = 0  # bytes of the body so far


class Proxy:
    """Pass requests on to `upstream`; `url`/key stands for `upstream`/key. Connections are kept alive."""

    def __init__(self, upstream, port=0):
        self.upstream, self.pool = upstream, urllib3.PoolManager(maxsize=8, retries=False)
        self.requests, self.lock = [], threading.Lock()
        self.next, self.always = defaultdict(list), {}  # faults by key: of the next answers, of all others
        self.hide_parts = False  # do not tell the sizes of the parts of an object
        proxy = self

        class Handler(_Handler):
            server_proxy = proxy

        self.server = _Server(("127.0.0.1", port), Handler)
        self.prefix = "/" + upstream.split("/", 3)[3]
        self.url = f"http://127.0.0.1:{self.server.server_port}{self.prefix}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def fault_of(self, method, key):
        """Choose the fault of this answer; questions about an object (HEAD) are always answered well."""
        with self.lock:
            if method == "GET" and self.next[key]:
                return self.next[key].pop(0)
            return self.always.get(key, Fault()) if method == "GET" else Fault()

    def of(self, key, method="GET"):
        """Give the requests for a key so far."""
        return [request for request in self.requests if (request.key, request.method) == (key, method)]

    def reset(self):
        """Forget requests and faults."""
        with self.lock:
            self.requests.clear()
            self.next.clear()
            self.always.clear()

    def close(self):
        """Refuse connections from now on."""
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def proxy_before(upstream):
    """Run a `Proxy` while the context lasts."""
    proxy = Proxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """Say nothing of a client that was killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_proxy = None

    def log_message(self, *arguments):
        """Say nothing."""

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        """Ask upstream, spoil the answer as planned, send it, and remember what was sent."""
        proxy = self.server_proxy
        path = self.path.removeprefix(proxy.prefix).lstrip("/")
        key = path.split("?")[0]
        fault = proxy.fault_of(self.command, key)
        wanted = "" if fault.ignore_range else self.headers.get("Range", "")
        status, headers, body = self.ask(f"{proxy.upstream}/{path}", fault)
        request = Request(self.command, key, wanted, status, self.client_address[1])
        with proxy.lock:
            proxy.requests.append(request)
        self.send(status, headers, body, fault, request)

    def ask(self, url, fault):
        """Ask upstream; gives status, headers and body, spoilt."""
        if fault.status:
            return fault.status, {"Content-Length": "0"} | fault.headers, b""
        passed = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        if fault.ignore_range:
            passed = {}
        if self.server_proxy.hide_parts:
            url = url.split("?")[0]
        response = self.server_proxy.pool.request(self.command, url, headers=passed)
        headers = {name: response.headers[name] for name in SENT_BACK if name in response.headers}
        body = bytearray(response.data)
        begin = int(headers.get("Content-Range", "bytes 0-").split()[1].split("-")[0])
        if fault.corrupt is not None and 0 <= fault.corrupt - begin < len(body):
            body[fault.corrupt - begin] ^= 0xFF
        if fault.shrink is not None:
            body = body[: fault.shrink]
        length = response.headers.get("Content-Length", "0") if self.command == "HEAD" else len(body)
        headers |= {"Content-Length": str(length)} | fault.headers
        return (
            response.status,
            {name: value for name, value in headers.items() if value is not None},
            bytes(body),
        )

    def send(self, status, headers, body, fault, request):
        """Send the answer as slowly and as far as planned."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if "Content-Length" not in headers:
            self.close_connection = True
        body = b"" if self.command == "HEAD" else body[: fault.cut]
        step = 2**14 if fault.rate else 2**18
        try:
            while part := body[request.sent : request.sent + step]:
                request.sent += len(part)
                self.wfile.write(part)
                time.sleep(step / fault.rate if fault.rate else 0)
        except OSError:  # the client is gone
            self.close_connection = True
            return
        if fault.cut is not None:
            self.close_connection = True
            time.sleep(fault.stall)
            if fault.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
