"""Fixtures that several test files share."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from threadpoolctl import threadpool_limits

from codingaxes.miniature import growth
from codingaxes.miniature.brain import SimulatedBrain, TemplateEnergies

STUDY = Path(__file__).parent / "study"

threadpool_limits(1)  # as every job of the workflow: results and times do not depend on the machine's cores
torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Begin with the tests of the finished study: one worker makes it while the others run the rest.

    Tests that are marked gpu are skipped where there is none.
    """
    items.sort(key=lambda item: STUDY not in item.path.parents)
    for item in items:
        if STUDY in item.path.parents:
            item.add_marker("slow")
    for item in [item for item in items if item.get_closest_marker("gpu")]:
        if not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a GPU of NVIDIA, and torch sees none here"))


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """The folder of this run that all workers of pytest-xdist share; lock what is made in it."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def brain(shared):
    """The simulated brain of the default configuration, with four subjects."""
    file = shared / "brain.npz"
    with FileLock(shared / "brain.lock"):
        if not file.exists():
            features = TemplateEnergies(64, growth.make_templates(64, 2025))
            growth.grow(features, 2025, ["subj01", "subj02", "subj03", "subj04"], 24).save(file)
    return SimulatedBrain.load(file)


@pytest.fixture
def rng():
    """A generator of random numbers that are the same in every run."""
    return np.random.default_rng(0)
