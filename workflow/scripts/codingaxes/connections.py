"""Kept-alive HTTPS connections, and which of their failures may pass."""

import threading
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

TRANSIENT = (408, 429, 500, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
LONGEST_WAIT = 600  # seconds up to which a server's Retry-After is honoured


class DownloadError(OSError):
    """A download that trying again at once does not mend; says what, where, and what to do."""


class BrokenError(Exception):
    """An attempt that may go better the next time."""

    def __init__(self, message, after=0.0):
        super().__init__(message)
        self.after = after  # seconds that the server asks to wait


class Client:
    """Kept-alive connections and the patience with which they are used; shared by threads.

    Parameters
    ----------
    connections : int
        Connections to one host that are kept.
    attempts : int
        Failures in a row after which a file is given up; one after a megabyte or more counts as the first.
    backoff, longest : float
        Seconds to wait after the first failure, doubled after each further one up to `longest`; shortened
        by up to a half at random, the same for the same file. A longer Retry-After is honoured.
    connect, read : float
        Seconds without an answer after which a connection counts as broken.
    every : float
        Seconds between reports of progress.
    """

    def __init__(
        self, connections=4, *, attempts=8, backoff=1.0, longest=60.0, connect=10.0, read=60.0, every=5.0
    ):
        self.attempts, self.backoff, self.longest, self.every = attempts, backoff, longest, every
        self._settings = {
            "maxsize": connections,
            "retries": False,
            "timeout": urllib3.Timeout(connect=connect, read=read),
        }
        self._pools, self._lock = {}, threading.Lock()

    def open(self, method, url, headers=None):
        """The response to a request, redirects followed, and the headers of the first response."""
        first, target = None, url
        headers = {"Accept-Encoding": "identity", "User-Agent": "codingaxes", **(headers or {})}
        for _ in range(6):
            try:
                response = self._pool(target).request(
                    method, target, headers=headers, redirect=False, preload_content=False
                )
            except urllib3.exceptions.HTTPError as error:
                raise BrokenError(f"no answer ({error})") from None
            first = response.headers if first is None else first
            if response.status not in REDIRECTS or "Location" not in response.headers:
                return response, first
            response.drain_conn()
            target = urljoin(target, response.headers["Location"])
        raise DownloadError(f"{url}: redirected more than five times, the last time to {target}")

    def part_size(self, url, number):
        """Bytes of a part of a multipart object, counted from 1; None if the server does not tell."""
        response, _ = self.open("HEAD", f"{url}{'&' if '?' in url else '?'}partNumber={number}")
        response.drain_conn()
        if response.status in TRANSIENT:
            raise busy(response)
        told = response.status == 206 or "x-amz-mp-parts-count" in response.headers
        return int(response.headers["Content-Length"]) if told and response.status < 300 else None

    def _pool(self, url):
        """The pool of connections, through a proxy if the environment names one (https_proxy, no_proxy)."""
        parts = urlsplit(url)
        proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
        with self._lock:
            if proxy not in self._pools:
                make = urllib3.ProxyManager if proxy else urllib3.PoolManager
                self._pools[proxy] = make(*filter(None, [proxy]), **self._settings)
            return self._pools[proxy]


def busy(response):
    """The error of an answer that asks to come again later."""
    try:
        after = urllib3.Retry().get_retry_after(response) or 0.0
    except urllib3.exceptions.InvalidHeader:
        after = 0.0
    return BrokenError(f"the server answers {response.status} {response.reason}", min(after, LONGEST_WAIT))


def refusal(url, response):
    """What to say of an answer that another attempt would not change."""
    meaning = {
        403: "it may not be read without an account, or does not exist; S3 gives the same answer to both",
        404: "there is no such object",
    }.get(response.status, "this answer is not expected")
    return f"{url}: the server answers {response.status} {response.reason}: {meaning}; check the address"
