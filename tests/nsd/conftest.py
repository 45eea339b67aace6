"""A miniature NSD, and runs of the scripts that read it, which the tests of this folder share."""

from dataclasses import dataclass

import average_regions
import prepare_responses
import prepare_stimuli
import pytest
import small_nsd

from codingaxes import job
from codingaxes.nsd.layout import Layout
from codingaxes.tables import store
from codingaxes.tables.nsd import REGIONS, RESPONSES, STIMULI, T_THRESHOLDS, VOXELS
from codingaxes.tables.readouts import MEASUREMENTS, TARGETS

COMMON = {"trials_per_session": small_nsd.TRIALS, "repeats": 3}
TABLES = {"voxels": VOXELS, "responses": RESPONSES, "regions": REGIONS, "t_thresholds": T_THRESHOLDS}


@dataclass(frozen=True)
class World:
    """A miniature with betas in both formats, which differ in nothing else, and the file of its brain."""

    nifti: Layout
    hdf5: Layout
    brain: str


@pytest.fixture(scope="session")
def world(brain, tmp_path_factory):
    """A miniature of two subjects; tests do not change it."""
    file = str(tmp_path_factory.mktemp("brain") / "brain.npz")
    layouts = [
        small_nsd.write(tmp_path_factory.mktemp("nsd"), brain, suffix=suffix, brain_file=file)
        for suffix in ("nii.gz", "hdf5")
    ]
    return World(*layouts, file)


@pytest.fixture
def layout(world):
    """The paths of the miniature whose betas are NIfTI files."""
    return world.nifti


@pytest.fixture
def prepare(layout, tmp_path, monkeypatch):
    """A function that runs prepare_responses in its own folder, with stimuli prepared; the tables."""
    monkeypatch.chdir(tmp_path)
    params = {"sessions": small_nsd.SESSIONS, "seed": 1, "image_size": 64, "test_fraction": 0.2, "probes": 1}
    params |= COMMON | {"images_sha256": ""}
    inputs = {"design": layout.design, "stimuli": layout.stimuli}
    output = {"stimuli": "stimuli.parquet", "images": "images"}
    prepare_stimuli.main(job.Run("prepare_stimuli", inputs, output, params, {}, "log"))

    def run(subject, betas, inputs=None, **changed):
        output = {name: f"{name}/{subject}.parquet" for name in TABLES}
        prepare_responses.main(
            job.Run(
                rule="prepare_responses",
                input=small_nsd.inputs(layout, subject, betas) | (inputs or {}),
                output=output,
                params=COMMON | {"regions": small_nsd.REGIONS, "min_t": None, "min_ncsnr": 0} | changed,
                wildcards={"subject": subject},
                log="log",
            )
        )
        tables = {name: store.read(output[name], table) for name, table in TABLES.items()}
        return tables | {"stimuli": store.read("stimuli.parquet", STIMULI)}

    return run


@pytest.fixture
def average(prepare):
    """A function that runs average_regions on what `prepare` wrote; it gives targets and measurements."""

    def run(subjects=small_nsd.SESSIONS):
        inputs = {name: [f"{name}/{subject}.parquet" for subject in subjects] for name in TABLES}
        output = {name: f"{name}.parquet" for name in ("targets", "measurements")}
        inputs |= {"stimuli": "stimuli.parquet"}
        average_regions.main(job.Run("average_regions", inputs, output, {}, {}, "log"))
        return store.read(output["targets"], TARGETS), store.read(output["measurements"], MEASUREMENTS)

    return run
