"""Fixtures that several test files share."""

from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from codingaxes.miniature import growth

STUDY = Path(__file__).parent / "study"

threadpool_limits(1)  # as every job of the workflow: results and times do not depend on the machine's cores
torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Begin with the tests of the finished study: one worker makes it while the others run the rest."""
    items.sort(key=lambda item: STUDY not in item.path.parents)


@pytest.fixture(scope="session")
def brain():
    """The simulated brain of the default configuration, with four subjects."""
    return growth.grow(64, 2025, ["subj01", "subj02", "subj03", "subj04"], 24)


@pytest.fixture
def rng():
    """A generator of random numbers that are the same in every run."""
    return np.random.default_rng(0)
