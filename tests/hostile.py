"""Torch files that would run something if they were unpickled, for tests of what reads them."""

import os

import torch
from torch import nn


class Evil:
    """Run a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def evils(marker):
    """Make objects that run something when they are unpickled, by the names of what they run.

    The first two leave a file `marker`.
    """
    return {
        "posix.system": Evil(os.system, f"touch {marker}"),
        "builtins.exec": Evil(exec, f"open({str(marker)!r}, 'w').close()"),
        "builtins.getattr": Evil(getattr, nn.Module, "cuda"),
        "torch.serialization.load": Evil(torch.load, str(marker)),
    }


def write(content, path, new=True):
    """Save as torch does, in a zip or as before torch 1.6."""
    torch.save(content, path, _use_new_zipfile_serialization=new)
    return path
