"""A real headless Chromium for tests of pages, driven through its debugging pipe: no port, no package."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
WAIT = 120.0  # seconds for an answer: a machine may be busy


def program():
    """Find Chromium among the programs of this machine; None where there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def browser():
    """Start Chromium with a new profile, and stop it at the end."""
    from_test, to_browser = os.pipe()
    from_browser, to_test = os.pipe()

    def connect():
        """Put the pipe where Chromium looks for it: commands at 3, answers at 4."""
        read, write = os.dup(from_test), os.dup(to_test)
        os.dup2(read, 3)
        os.dup2(write, 4)

    with tempfile.TemporaryDirectory() as profile:
        running = subprocess.Popen(
            [program(), *FLAGS, f"--user-data-dir={profile}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=connect,
        )
        os.close(from_test)
        os.close(to_test)
        try:
            yield Browser(to_browser, from_browser)
        finally:
            os.close(to_browser)
            running.terminate()
            running.wait(WAIT)
            os.close(from_browser)


class Browser:
    """Speak the DevTools protocol with Chromium: commands and events are JSON texts that end with NUL."""

    def __init__(self, write, read):
        self.write, self.read, self.waiting, self.number, self.events = write, read, b"", 0, []

    def command(self, method, session=None, **parameters):
        """Send a command and give its result; events that come before it are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        os.write(
            self.write, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
        )
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)
        raise TimeoutError(f"Chromium did not answer {method} in {WAIT:.0f} s")

    def _next(self):
        while b"\0" not in self.waiting:
            ready, _, _ = select.select([self.read], [], [], WAIT)
            assert ready, f"Chromium has said nothing for {WAIT:.0f} s"
            part = os.read(self.read, 2**20)
            assert part, "Chromium has stopped"
            self.waiting += part
        first, _, self.waiting = self.waiting.partition(b"\0")
        return json.loads(first)

    def open(self, path, width, height=900, script=True, scheme="light"):
        """Open a file as a page of a width in pixels, and wait until all of it is there."""
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.command(f"{domain}.enable")
        page.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 700,
        )
        page.command(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        page.command("Emulation.setScriptExecutionDisabled", value=not script)
        page.command("Page.navigate", url=f"file://{path}")
        page.wait_for("Page.loadEventFired")
        return page


class Page:
    """Read, press and look at one page."""

    def __init__(self, browser, session):
        self.browser, self.session = browser, session

    def command(self, method, **parameters):
        """Send a command about this page."""
        return self.browser.command(method, self.session, **parameters)

    def events(self, method):
        """List the parameters of the events of a kind that this page has sent so far."""
        self.command("Runtime.getIsolateId")  # what came before its answer has been read
        return [
            event["params"]
            for event in self.browser.events
            if event.get("sessionId") == self.session and event["method"] == method
        ]

    def wait_for(self, method):
        """Wait until the page has sent an event."""
        end = time.monotonic() + WAIT
        while not self.events(method):
            assert time.monotonic() < end, f"no {method} in {WAIT:.0f} s"
            time.sleep(0.02)

    def read(self, expression):
        """Evaluate JavaScript on the page and give its value; its exception is a failure of the test."""
        done = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def press(self, key, code=0):
        """Press a key, by its name in JavaScript."""
        for kind in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def touch(self, x, y):
        """Tap on a place of the window."""
        self.command("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.command("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def picture(self, path):
        """Save a screenshot of the whole page."""
        path.write_bytes(
            base64.b64decode(self.command("Page.captureScreenshot", captureBeyondViewport=True)["data"])
        )
