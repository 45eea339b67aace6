"""Open HTTPS connections that are kept alive, and tell which of their failures may pass."""

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
    """Hold kept-alive connections, and the patience with which they are used; threads may share it.

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
        timeout = urllib3.Timeout(connect=connect, read=read)
        settings = {"maxsize": connections, "retries": False, "timeout": timeout}
        self._direct = urllib3.PoolManager(**settings)
        self._proxies = {
            scheme: urllib3.ProxyManager(proxy, **settings)
            for scheme, proxy in getproxies().items()
            if scheme in ("http", "https")
        }

    def open(self, method, url, headers=None):
        """Ask a server; gives the last response after redirects, and the headers of the first."""
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
        """Ask how many bytes a part of an object has, counted from 1; None if the server does not tell."""
        response, _ = self.open("HEAD", f"{url}{'&' if '?' in url else '?'}partNumber={number}")
        response.drain_conn()
        if response.status in TRANSIENT:
            raise busy(response)
        told = response.status == 206 or "x-amz-mp-parts-count" in response.headers
        return int(response.headers["Content-Length"]) if told and response.status < 300 else None

    def _pool(self, url):
        """Choose the connections: through a proxy if the environment names one (https_proxy, no_proxy)."""
        parts = urlsplit(url)
        return self._direct if proxy_bypass(parts.netloc) else self._proxies.get(parts.scheme, self._direct)


def busy(response):
    """Make the error of an answer that asks to come again later."""
    try:
        after = urllib3.Retry().get_retry_after(response) or 0.0
    except urllib3.exceptions.InvalidHeader:
        after = 0.0
    return BrokenError(f"the server answers {response.status} {response.reason}", min(after, LONGEST_WAIT))


def refusal(url, response):
    """Make the error of an answer that another attempt would not change."""
    meaning = {
        403: "it may not be read without an account, or does not exist; S3 gives the same answer to both",
        404: "there is no such object",
    }.get(response.status, "this answer is not expected")
    return DownloadError(
        f"{url}: the server answers {response.status} {response.reason}: {meaning}; check the address"
    )
