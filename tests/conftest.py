"""Fixtures that several test files share."""

import numpy as np
import pytest
import studies
import torch
from threadpoolctl import threadpool_limits

from codingaxes import simulation

threadpool_limits(1)  # as every job of the workflow: results and times do not depend on the machine's cores
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def brain():
    """The simulated brain of the default configuration, with two subjects."""
    return simulation.SimulatedBrain.grow(64, 2025, ["subj01", "subj02", "subj03", "subj04"], 24)


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A finished micro study, made once for all test files: a test that changes it puts it back."""
    folder = studies.copy_to(tmp_path_factory.mktemp("study"))
    done = studies.run(folder, "--cores", "2")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def rng():
    return np.random.default_rng(0)
