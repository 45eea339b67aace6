"""Tests of memory: estimates against what jobs took, and the sizes of networks that they rest on."""

from pathlib import Path

import compare_subspaces
import extract_features
import measure_sensitivity
import measure_transfer
import predict_stimuli
import pytest
import review_images
import score_stimuli
import torch
import yaml

from codingaxes import configuration, memory
from codingaxes.names import BRAIN
from codingaxes.networks.network import Network
from codingaxes.tables import compact

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "config/schemas"
# Largest max_rss in MB of the jobs of several runs of the default study, on two cores and no GPU.
PEAKS = {
    "attack_images": 1130,
    "average_regions": 154,
    "compare_algorithms": 263,
    "compare_subspaces": 838,
    "compute_eigenvectors": 952,
    "draw_random_controls": 710,
    "explain_similarity": 232,
    "extract_features": 819,
    "fit_readouts": 366,
    "measure_sensitivity": 920,
    "measure_transfer": 1100,
    "render_movies": 453,
    "review_images": 1132,
    "summarise_control": 388,
    "summarise_numbers": 361,
    "summarise_sensitivity": 397,
    "summarise_transfer": 366,
    "summarise_transfer_controls": 625,
    "synthesise_images": 798,
    "synthesise_perturbations": 905,
}
ALIKE = 4  # times a peak, plus the imports of a job, that may be asked for


def study_of(*files, networks, brain=True, subjects=4, **settings):
    """Make the study of some files of settings and a table of networks."""
    config = {}
    for file in files:
        for key, value in yaml.safe_load((ROOT / file).read_text()).items():
            config[key] = {**config[key], **value} if isinstance(value, dict) and key in config else value
    rows = configuration.read_networks(
        str(ROOT / networks), configuration.read_schema(SCHEMAS, "networks"), code=ROOT
    )
    rows = {BRAIN: None, **rows} if brain else rows
    return memory.Study(config | settings, rows, subjects)


def default(**settings):
    """Make the default study, on the processor if nothing else is said."""
    return study_of("config/config.yaml", networks="config/zoo.tsv", **{"device": "cpu", **settings})


def full(*overlays, **settings):
    """Make the full study, on GPUs if nothing else is said, with further files of settings."""
    files = ("config/config.yaml", "config/nsd.yaml", *overlays)
    settings = {"device": "cuda", **settings}
    return study_of(*files, networks="config/networks.tsv", brain=False, subjects=8, **settings)


def estimates(study):
    """Estimate the largest job of each rule."""
    rows = list(study.rows.values())
    networks = [row for row in rows if row]
    batch, other = study.config["attacks"]["batch_size"], study.config["synthesis"]["batch_size"]
    summary = memory.summarise(study)
    return dict.fromkeys([rule for rule in PEAKS if rule.startswith("summarise")], summary) | {
        "attack_images": max(memory.search(study, row, batch) for row in rows),
        "average_regions": memory.average(study),
        "compare_algorithms": summary,
        "compare_subspaces": memory.compare(study),
        "compute_eigenvectors": max(memory.differentiate(study, row) for row in rows),
        "draw_random_controls": memory.draw(study),
        "explain_similarity": summary,
        "extract_features": max(memory.extract(study, row) for row in networks),
        "fit_readouts": max(memory.fit(study, row) for row in networks),
        "measure_sensitivity": max(memory.measure(study, row) for row in rows),
        "measure_transfer": max(memory.show(study, row, rows[:i]) for i, row in enumerate(rows)),
        "render_movies": memory.judge(study),
        "review_images": memory.review(study),
        "summarise_control": memory.control(study),
        "synthesise_images": max(memory.search(study, row, other) for row in rows),
        "synthesise_perturbations": max(memory.search(study, row, other) for row in rows),
    }


def test_estimates_of_the_default_study_are_above_what_jobs_took_and_not_far():
    asked = estimates(default())
    assert set(asked) == set(PEAKS)
    for rule, peak in PEAKS.items():
        assert peak < asked[rule] <= ALIKE * peak + memory.NETWORKS, f"{rule}: {asked[rule]} for {peak} MB"


def test_a_large_network_asks_for_its_weights_and_small_ones_do_not_ask_for_them():
    study = full()
    rows = study.rows
    # of BLIP2, 12 GB were taken by building it and one gradient
    assert 12_000 < memory.load(study, rows["blip2"]) - memory.CUDA < 16_000
    for estimate in (memory.load, memory.extract, memory.measure, memory.fetch):
        small, large = (estimate(study, rows[name]) for name in ("alexnet", "blip2"))
        assert large - small > memory.LOADING * (4690 - 233) - 3000
    assert memory.fetch(study, rows["squeezenet1_1"]) < 1100


def test_images_inside_a_network_count_where_the_processor_has_them():
    name = "resnet50"
    asked = {
        device: memory.search(study, study.rows[name], 144)
        for device in ("cpu", "cuda", "auto")
        for study in [full(device=device)]
    }
    images = 144 * 2 * memory.inside(full().rows[name], 224)
    assert asked["cpu"] - asked["cuda"] == pytest.approx(images - memory.CUDA, abs=1)
    assert asked["auto"] - asked["cuda"] == memory.WITH_AUTO - memory.CUDA
    twice = memory.search(full(device="cpu"), full().rows[name], 288)
    assert twice - asked["cpu"] > images


def test_larger_studies_ask_for_more():
    small, large = estimates(default()), estimates(full(device="cpu"))
    thorough = estimates(full("config/nsd_thorough.yaml", device="cpu"))
    for rule, asked in small.items():
        assert asked < large[rule] <= thorough[rule], rule
    more = {"draw_random_controls", "measure_sensitivity", "measure_transfer", "review_images"}
    assert all(large[rule] < thorough[rule] for rule in more)


def test_what_is_read_in_blocks_asks_for_a_block_and_little_of_each_further_pair():
    assert memory.BLOCK == compact.ROWS
    assert 1e6 * memory.AXES == pytest.approx(compare_subspaces.HELD, rel=0.01)
    study = full()
    names = [f"{name}_{copy}" for copy in range(6) for name in study.rows]
    many = memory.Study(study.config, dict(zip(names, list(study.rows.values()) * 6, strict=True)), 8)
    assert many.models == 108
    for estimate in (memory.summarise, memory.control, memory.compare, memory.collect, memory.evaluate):
        few, asked = estimate(study), estimate(many)
        assert few < asked < 16_000, estimate.__name__  # as a node of a cluster has
    assert memory.collect(many) < memory.summarise(many) < memory.ROW * memory.changes(many) / 8


def kept(row):
    """Count what torch keeps of one image for its gradient, in MB, and the features of its layers."""
    with torch.device("meta"):  # nothing is computed: tensors have shapes only
        network = Network(row).eval().requires_grad_(False)
        image = torch.rand(1, 3, row["input_size"], row["input_size"], requires_grad=True)
    weights = {part.untyped_storage()._cdata for part in [*network.parameters(), *network.buffers()]}
    tensors = []  # they are held, as the address of one that is gone could be another's

    def pack(tensor):
        tensors.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        features = network.features(image)
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}
    bytes_kept = sum(size for address, size in storages.items() if address not in weights)
    return bytes_kept / 1e6, max(values.shape[1] for values in features.values())


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet50", "google_vit", "resnet", "vgg", "densenet"])
def test_the_listed_sizes_of_networks_are_those_of_the_networks(name):
    rows = full().rows | {row["identifier"]: row for row in default().rows.values() if row}
    megabytes, features = kept(rows[name])
    assert megabytes < memory.inside(rows[name], 64) < 1.3 * megabytes + 0.1
    assert features * 4e-6 <= memory.features(rows[name]) < 1.5 * features * 4e-6 + 0.004


def test_every_network_of_the_tables_is_listed_and_an_unknown_one_asks_for_no_less():
    for row in filter(None, [*full().rows.values(), *default().rows.values()]):
        assert row["architecture"] in (memory.ZOO if row["source"] == "zoo" else memory.ARCHITECTURES)
        unknown = {**row, "architecture": "another", "source": "timm"}
        assert memory.inside(unknown, 64) >= memory.inside(row, 64), row["name"]
        assert memory.features(unknown) >= memory.features(row)
    assert memory.weights({"source": "timm"}) == memory.UNKNOWN_WEIGHTS


def test_batches_of_estimates_are_those_of_the_scripts():
    assert memory.FEATURES_BATCH == extract_features.BATCH
    assert memory.SHOWN_BATCH == measure_transfer.BATCH == measure_sensitivity.BATCH
    assert memory.REVIEW_BATCH == review_images.BATCH == predict_stimuli.BATCH == score_stimuli.BATCH
