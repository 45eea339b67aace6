"""What perturbations do to a model is read region by region, by the subjects that have the region."""

from types import SimpleNamespace

import measure_transfer
import numpy as np
import pandas as pd
import pytest
import torch

from codingaxes.encoding.model import EncodingModel, names_of
from codingaxes.names import GROUP, NOISE
from codingaxes.tables.transfer import TRANSFER

PASSES = []  # images of each pass through the model
OWNERS = {"FFA": ("bob",), "EBA": ("ann", "bob"), "PPA": ("ann", "bob", "cat")}


class Planted(torch.nn.Module):
    """Readouts that give known multiples of the mean of an image."""

    def __init__(self, multiples):
        super().__init__()
        self.multiples = torch.tensor(multiples)

    def forward(self, images):
        return images.mean((1, 2, 3))[:, None] * self.multiples

    def observe(self, images, parts):
        """Give what all parts read."""
        PASSES.append(len(images))
        return images

    def read(self, observed):
        """Read it."""
        return self(observed)


@pytest.fixture
def target():
    """A model of three regions, one of which a subject lacks and one two, on two black images."""
    names = {name: 10.0 * place for place, name in enumerate(("ann", "bob", "cat"), start=1)}
    regions = dict(zip(OWNERS, (1.0, 2.0, 3.0), strict=True))
    group = {roi: Planted([one]) for roi, one in regions.items()}
    subjects = {roi: Planted([names[name] * regions[roi] for name in OWNERS[roi]]) for roi in OWNERS}
    model = EncodingModel(group, subjects, {}, names=names_of(OWNERS), owners=OWNERS)
    probes = SimpleNamespace(
        load=lambda name: model,
        images=torch.zeros(2, 3, 4, 4),
        on_device=torch.zeros(2, 3, 4, 4),
        device=torch.device("cpu"),
        fitting=lambda work, *tensors: [work(*tensors)],
    )
    return measure_transfer.Target("net", probes)


def test_changes_of_subjects_are_those_of_the_subjects_that_have_the_region(target):
    assert [reader for reader in target.column if reader[0] == "EBA"] == [
        ("EBA", GROUP),
        ("EBA", "ann"),
        ("EBA", "bob"),
    ]
    rois = ["PPA", "FFA", NOISE, "EBA"]
    rows = pd.DataFrame({"roi": rois, "row": range(4)}).assign(
        **{name: 0 for name in TRANSFER.columns if name not in ("roi", "target", "change_target")}
    )
    changes = (
        target.responses(torch.tensor([0, 1, 0, 1]), torch.ones(4, 3, 4, 4)) - target.before[[0, 1, 0, 1]]
    )
    table = target.as_rows("perturbations", rows, changes).set_index("roi")
    assert list(table.index) == ["PPA", "FFA", "EBA", "FFA", "EBA", "PPA"]  # noise counts for each region
    expected = {"FFA": [20.0], "EBA": [20.0, 40.0], "PPA": [30.0, 60.0, 90.0]}
    for roi, row in table.iterrows():
        np.testing.assert_allclose(row.change_subjects, expected[roi], rtol=1e-6)
    assert list(table.change_target) == pytest.approx([3, 1, 2, 1, 2, 3])


def test_an_image_or_perturbation_is_shown_once_whatever_number_of_regions_and_subjects_reads_it(target):
    PASSES.clear()
    target.responses(torch.tensor([0, 1, 1]), torch.ones(3, 3, 4, 4))
    assert PASSES == [3] and target.respond(target.probes.images).shape == (2, 3 + 6)
