"""Faults that tests cause on purpose, each as long as a context lasts."""

import os
import resource
from contextlib import contextmanager

NOBODY = 65534


@contextmanager
def umask_of(mask):
    """Give new files the rights that a umask leaves."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def limited_size(size):
    """Limit the size of every file that this process writes, bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def without_rights():
    """Let the rights of files count, also for an administrator, who becomes nobody."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
