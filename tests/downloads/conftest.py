"""A bucket with objects, and a proxy before it that fails as a test asks it to."""

import downloading
import pytest
import servers


@pytest.fixture(scope="session")
def bucket():
    """A bucket with the objects of `downloading`."""
    with servers.s3_bucket() as bucket:
        downloading.fill(bucket)
        yield bucket


@pytest.fixture(scope="session")
def shared_proxy(bucket):
    """A proxy that all tests use, one after the other."""
    with servers.proxy_before(bucket.url) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared_proxy):
    """The proxy without faults or memory of earlier tests."""
    shared_proxy.reset()
    return shared_proxy
