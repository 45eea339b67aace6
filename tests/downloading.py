"""Objects of a bucket for tests, and how tests fetch them."""

import numpy as np
from servers import PART

from codingaxes.downloads import fetch

MIB = 2**20


def noise(seed, size):
    """Random bytes."""
    return np.random.default_rng(seed).bytes(size)


SMALL, LARGE = noise(1, 300_000), noise(2, 3 * MIB + 12345)
PARTS = [noise(3, PART), noise(4, PART), noise(5, 70_001)]
UNEVEN = [noise(6, PART + 4321), noise(7, PART), noise(8, 99)]
OBJECTS = {
    "small.bin": SMALL,
    "large.bin": LARGE,
    "empty.bin": b"",
    "parts.bin": b"".join(PARTS),
    "uneven.bin": b"".join(UNEVEN),
}


def fill(bucket):
    """Put the objects into a bucket."""
    for key in ("small.bin", "large.bin", "empty.bin"):
        bucket.put(key, OBJECTS[key])
    bucket.put_parts("parts.bin", PARTS)
    bucket.put_parts("uneven.bin", UNEVEN)


def patient(**settings):
    """A client that waits for hundredths of a second instead of seconds."""
    return fetch.Client(**{"backoff": 0.01, "connect": 2.0, "read": 2.0} | settings)


def download(proxy, key, folder, **options):
    """Fetch an object into a folder; the content that ends up under the final name, and the record."""
    path = folder / key
    record = fetch.fetch(f"{proxy.url}/{key}", path, **{"client": patient()} | options)
    assert [file.name for file in folder.iterdir()] == [path.name]  # no staging is left
    return path.read_bytes(), record
