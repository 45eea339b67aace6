"""Download one file from a hub that fails, by our own client and by huggingface_hub.

    python benchmarks/hub_downloads.py    # --quick takes four of the ten cases

The hub is a server on this machine. Every contender downloads 40 MB in a process of its own, and the bytes
that the hub sent are counted. Where the process is killed, a second one downloads the file again.
"""

import argparse
import csv
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"
MB = 2**20
CONTENT = os.urandom(40 * MB)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENDERS = {
    "ours": """
from codingaxes.downloads import fetch
url, folder, commit = sys.argv[1:]
file = folder + "/file.bin"
fetch.fetch(f"{url}/owner/repo/resolve/{commit}/file.bin", file, unverified=True)
""",
    "huggingface_hub": """
from huggingface_hub import hf_hub_download
url, folder, commit = sys.argv[1:]
file = hf_hub_download("owner/repo", "file.bin", revision=commit, endpoint=url, cache_dir=folder)
""",
}
END = "import hashlib\nprint(hashlib.sha256(open(file, 'rb').read()).hexdigest())"


@dataclass
class Hub:
    """How the hub behaves; `faults` are those of the next answers, in order."""

    faults: list = field(default_factory=list)  # ("status", 503), ("cut", bytes) or ("silent", bytes)
    rate: float = 0.0  # bytes a second; 0: as fast as it can
    commit: bool = True  # whether it names the commit, as mirrors may not
    etag: bool = True
    damage: bool = False  # whether it sends a wrong byte
    sent: int = 0  # bytes so far


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        """Say nothing."""

    def begin(self, status, length, **more):
        hub = self.server.hub
        headers = {"Content-Length": str(length), "Accept-Ranges": "bytes"} | more
        if hub.etag:
            headers |= {"ETag": f'"{SHA256}"', "X-Linked-Etag": f'"{SHA256}"'}
        if hub.commit:
            headers["X-Repo-Commit"] = COMMIT
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def do_HEAD(self):
        self.begin(200, len(CONTENT))

    def do_GET(self):
        hub = self.server.hub
        kind, amount = hub.faults.pop(0) if hub.faults else ("", len(CONTENT))
        if kind == "status":
            self.begin(amount, 0)
            return
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        place = int(wanted[1]) if wanted else 0
        if wanted:
            span = f"bytes {place}-{len(CONTENT) - 1}/{len(CONTENT)}"
            self.begin(206, len(CONTENT) - place, **{"Content-Range": span})
        else:
            self.begin(200, len(CONTENT))
        end, step = min(len(CONTENT), place + amount), MB // 4
        try:
            for begin in range(place, end, step):
                part = bytearray(CONTENT[begin : min(begin + step, end)])
                if hub.damage and begin == MB:
                    part[0] ^= 0xFF
                self.wfile.write(part)
                hub.sent += len(part)
                time.sleep(step / hub.rate if hub.rate else 0)
            time.sleep(12 if kind == "silent" else 0)
        except OSError:  # the client is gone
            pass
        self.close_connection = True


def start(url, contender, folder):
    """Start a download in a process of its own, which prints the sha256 of the file in the end."""
    code = f"import sys\nsys.path.insert(0, {str(SCRIPTS)!r})\n{CONTENDERS[contender]}\n{END}"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = os.environ | {"NO_PROXY": "127.0.0.1"}
    return subprocess.Popen([sys.executable, "-c", code, url, folder, COMMIT], env=environment, **pipes)


def compare(server, case, kill=None, **behaviour):
    """Print and give what each contender makes of one case."""
    rows = []
    url = f"http://127.0.0.1:{server.server_port}"
    for contender in CONTENDERS:
        hub = server.hub = Hub(**{key: list(v) if key == "faults" else v for key, v in behaviour.items()})
        with tempfile.TemporaryDirectory() as folder:
            process = start(url, contender, folder)
            if kill:
                while hub.sent < len(CONTENT) // 2:
                    time.sleep(0.01)
                process.send_signal(kill)
                process.wait()
                hub.rate = 0
                process = start(url, contender, folder)
            answer = process.communicate()[0].strip()
        outcome = {SHA256: "right file", "": "error"}.get(answer, "WRONG FILE")
        print(f"{case:38} {contender:16} {outcome:11} {hub.sent / MB:6.1f} MB sent", flush=True)
        rows.append({"case": case, "contender": contender, "outcome": outcome, "MB_sent": hub.sent / MB})
    return rows


# How the hub behaves in each case, and which signal ends the client.
CASES = {
    "no fault": {},
    "killed (SIGKILL) at 20 MB": {"kill": signal.SIGKILL, "rate": 8 * MB},
    "killed (SIGTERM) at 20 MB": {"kill": signal.SIGTERM, "rate": 8 * MB},
    "3 connections cut after 8 MB each": {"faults": [("cut", 8 * MB)] * 3},
    "10 connections cut after 1 MB each": {"faults": [("cut", MB)] * 10},
    "503 Service Unavailable, twice": {"faults": [("status", 503)] * 2},
    "silence of 12 s after 8 MB": {"faults": [("silent", 8 * MB)]},
    "one wrong byte": {"damage": True},
    "a mirror that names no commit": {"commit": False},
    "no ETag": {"etag": False},
}
QUICK = ["no fault", "killed (SIGKILL) at 20 MB", "one wrong byte", "no ETag"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"only: {', '.join(QUICK)}")
    parser.add_argument("--csv", type=Path, help="file to write all rows to")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rows = []
    for case in QUICK if options.quick else CASES:
        rows += compare(server, case, **CASES[case])
    if options.csv:
        with options.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
