"""Fixtures that tests of networks share."""

import socket

import pytest


@pytest.fixture
def no_network(monkeypatch):
    """Refuse every connection, so that a download would fail the test."""

    def refuse(*_):
        raise AssertionError("something tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
