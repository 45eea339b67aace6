"""Estimate the memory of jobs, in MB, from the settings and the networks' rows, before anything has run.

An estimate is meant to be above what a job takes, and at most a few times as much. It is a sum: what is
imported, weights, images inside a network, and tables whose rows hold images or numbers. Tests compare it
with what jobs took.
"""

from dataclasses import dataclass

# What imports take: PyTorch and libraries of networks; pandas, PyArrow and SciPy; CUDA, outside the GPU.
NETWORKS, TABLES, CUDA = 1000, 400, 3000
# Sizes of the weights that loading a network takes: as read, as the network holds them, and half to make it
# ready; and that converting published files takes. Building BLIP2 (4690 MB) and one gradient took 12 GB.
LOADING, CONVERTING = 2.5, 3
ZOO_WEIGHTS, UNKNOWN_WEIGHTS = 10, 1500  # MB, if the row of a network does not tell
# For each architecture: its input size, MB that torch keeps of one image for its gradient, and thousands of
# features of the largest candidate layer; of networks without weights, see tests/test_memory.py.
ARCHITECTURES = {
    "alexnet": (224, 4, 33),
    "cornet_rt": (224, 32, 51),
    "densenet201": (224, 204, 95),
    "inception_v3": (299, 99, 132),
    "mobilenet_v2": (224, 79, 63),
    "resnet50": (224, 87, 201),
    "resnet50_clip": (224, 99, 201),
    "squeezenet1_1": (224, 21, 187),
    "vgg16": (224, 74, 101),
    "vit_b14": (224, 135, 198),
    "vit_b16": (224, 97, 152),
    "vit_b16_ensemble": (224, 319, 152),
    "vit_b16_rope": (224, 153, 152),
    "vit_g14": (224, 753, 362),
}
ZOO = {"densenet": (64, 1.5, 7), "resnet": (64, 0.6, 3), "vgg": (64, 1.1, 7)}
# Of others: bytes of an image for each pixel, and for each byte of weights; none of those above needs more.
OTHERS, OF_WEIGHTS, OTHER_FEATURES = 4100, 0.12, 400
BRAIN = 400  # bytes of an image for each pixel in the simulated brain
WITH_AUTO = 8000  # at most so many MB for images inside a network if it may be on a GPU instead
COVARIANCES = 12  # that a ranking of stimuli has in memory together
ROW = 0.003  # MB of a row of numbers, with copies; summaries of the miniature took 0.6 to 2.6 kB
BLOCK = 2**19  # rows that are in memory together where a script reads in blocks, see `tables.compact`
# MB that such a script keeps of a row of what it has read: at most 50 bytes, and 170 with the rows that it
# writes in studies of three images, see docs/many_networks.md.
KEPT = 0.0002
# MB that collect_units takes of a row beyond a block: of a review 120 bytes, of transfer far fewer.
COLLECTED = 0.0001
UNIT = 0.001  # MB of a unit of claims, with copies; at 20 to 40 networks one took 700 bytes more
LABELS = 300  # MB of permutation tests of families, with copies, see docs/many_networks.md
AXES = 4300  # MB of axes that compare_subspaces has in memory together
COMPARED = 0.0005  # MB of a row of the table similarity while it is written
NSD_IMAGES, NSD_VOXELS = 1000, 2000  # shared images; voxels of a region in a subject, about
# Images that scripts show together, if no setting says so.
FEATURES_BATCH, SHOWN_BATCH, REVIEW_BATCH = 50, 64, 144
SET_IMAGES = 2000  # of a stimulus set, at most about


@dataclass(frozen=True)
class Study:
    """Hold what estimates are made of: the settings, and the rows of all models, None for the brain."""

    config: dict
    rows: dict
    subjects: int

    @property
    def models(self):
        return len(self.rows)

    @property
    def own(self):
        return self.config["nsd"]["source"] == "own"

    @property
    def regions(self):
        return len(self.config["own"]["regions"] if self.own else self.config["nsd"]["regions"])

    @property
    def images(self):
        miniature = self.config["nsd"]["source"] == "miniature"
        return self.config["simulation"]["shared_images"] if miniature else NSD_IMAGES

    @property
    def voxels(self):
        """Voxels of all regions and subjects."""
        miniature = self.config["nsd"]["source"] == "miniature"
        each = self.config["simulation"]["voxels"] * 4 / 3 if miniature else NSD_VOXELS
        return each * self.regions * self.subjects

    @property
    def image(self):
        """MB of an image in float32."""
        return 12e-6 * self.config["image_size"] ** 2

    @property
    def main(self):
        """Main attacks of a model."""
        return 2 * self.regions * self.config["nsd"]["probes"] * len(self.config["attacks"]["radii"])

    @property
    def variants(self):
        """Other attacks of a model."""
        attacks, probes = self.config["attacks"], self.config["nsd"]["probes"]
        some = sum(len(attacks[name]) for name in ("linf_radii", "large_radii", "algorithms"))
        each = some * (attacks["variant_probes"] or probes)
        return 2 * self.regions * (each + len(attacks["effects"]) * (attacks["effect_probes"] or probes))

    @property
    def noise(self):
        """Images of white noise."""
        attacks, probes = self.config["attacks"], self.config["nsd"]["probes"]
        radii = sum(len(attacks[name]) for name in ("radii", "linf_radii", "large_radii"))
        return radii * probes * self.config["controls"]["draws"]

    @property
    def synthesised(self):
        """Images that are made in synthesis, of all models, with those that they are compared with."""
        some = self.config["synthesis"]
        each = 2 * len(some["radii"]) * some["perturbed"] + some["levels"]["number"] * some["accentuated"]
        return 2 * self.models * self.regions * len(some["arms"]) * each


def weights(row):
    """Give the size of a network's weights in MB; 0 for the brain."""
    if row is None:
        return 0
    return row.get("megabytes") or (ZOO_WEIGHTS if row["source"] == "zoo" else UNKNOWN_WEIGHTS)


def inside(row, image_size):
    """Give the MB that a model keeps of one image for its gradient.

    Parameters
    ----------
    row : dict or None
        Of the table of networks; None for the brain.
    image_size : int
        Pixels a side of the study's images, which only the brain sees as they are.
    """
    if row is None:
        return BRAIN * image_size**2 / 1e6
    known = (ZOO if row["source"] == "zoo" else ARCHITECTURES).get(row["architecture"])
    if known is None:
        return OTHERS * row["input_size"] ** 2 / 1e6 + OF_WEIGHTS * weights(row)
    return known[1] * (row["input_size"] / known[0]) ** 2


def features(row):
    """Give the MB of the features of one image in the largest candidate layer, in float32."""
    if row is None:
        return 0
    known = (ZOO if row["source"] == "zoo" else ARCHITECTURES).get(row["architecture"])
    size, thousands = (known[0], known[2]) if known else (224, OTHER_FEATURES)
    return 0.004 * thousands * max(1, row["input_size"] / size) ** 2


def _job(study, loaded, passes, tables):
    """Add the parts of a job that runs networks; if on a GPU, their images are not here, but CUDA is."""
    device = study.config["device"]
    there = {"cpu": passes, "cuda": CUDA, "auto": max(CUDA, min(passes, WITH_AUTO))}[device]
    return round(NETWORKS + loaded + there + tables)


def readouts(study, row):
    """Give the MB of a model's readouts, with copies: a direction of features for each image at most."""
    return 4 * study.images * features(row)


def loaded(study, row):
    """Give the MB of loading a model and then its readouts, for which memory is used again."""
    return max(LOADING * weights(row), weights(row) + readouts(study, row))


def load(study, row):
    """Building one network, and differentiating it on one image both ways."""
    return _job(study, LOADING * weights(row), 4 * inside(row, study.config["image_size"]), 0)


def fetch(study, row):
    """Converting published weights."""
    return round(NETWORKS + CONVERTING * weights(row))


def extract(study, row):
    """Features of all layers, a batch at a time, without gradients."""
    each = inside(row, study.config["image_size"]) / 4 + 2 * study.image
    return _job(study, LOADING * weights(row), FEATURES_BATCH * each, 4 * FEATURES_BATCH * features(row))


def search(study, row, batch_size):
    """Perturbations of so many images at a time: gradients, and some images in the size of the study."""
    each = 2 * inside(row, study.config["image_size"])
    return _job(study, loaded(study, row), batch_size * each, 12 * batch_size * study.image)


def differentiate(study, row):
    """Axes of a batch of images: gradients of gradients, and the vectors of a search and of random draws."""
    settings = study.config["eigenvectors"]
    size = settings["batch_size"]
    vectors = 2 * settings["max_steps"] + 2 * settings["sketches"] + 2 * settings["rank"] + 120
    passes = size * (4 * inside(row, study.config["image_size"]) + vectors * study.image)
    return _job(study, loaded(study, row), passes, 0)


def hold_out(study):
    """Gradients of networks whose readouts never saw a category, one network after the other."""
    return max(differentiate(study, row) for row in study.rows.values())


def _shown(study, row, batch_size):
    """Give the MB of a batch that a model is shown, without gradients."""
    return batch_size * (inside(row, study.config["image_size"]) / 2 + 4 * study.image)


def measure(study, row):
    """Attacks and controls of one model, shown to itself."""
    rows = 3 * study.main + study.noise
    return _job(study, loaded(study, row), _shown(study, row, SHOWN_BATCH), 1.75 * rows * study.image)


def show(study, row, others):
    """Attacks and controls of one model shown to others, one after the other, and those of others to it."""
    largest = max(others, key=weights, default=None)
    rows = study.main * (1 + study.config["controls"]["transfer_draws"]) + study.variants
    passes = max(_shown(study, one, SHOWN_BATCH) for one in (row, *others))
    models = max(loaded(study, row), weights(row) + readouts(study, row) + loaded(study, largest))
    return _job(study, models, passes, 1.75 * (2 * rows + study.noise) * study.image)


def review(study):
    """All synthesised images as bytes, twice, shown to all models, one after the other."""
    rows = study.rows.values()
    passes = max(_shown(study, row, REVIEW_BATCH) for row in rows)
    most = max(loaded(study, row) for row in rows)
    return _job(study, most, passes, study.synthesised * study.image / 2)


def score(study, images):
    """So many images made elsewhere, and as many originals, as bytes, shown to one model after the other."""
    rows = study.rows.values()
    passes = max(_shown(study, row, REVIEW_BATCH) for row in rows) + 4 * REVIEW_BATCH * study.image
    most = max(loaded(study, row) for row in rows)
    return _job(study, most, passes, images * study.image + ROW * images * study.models * study.regions)


def compare_methods(study, images):
    """Rows of scores of so many images, and the values of curves of each at all sizes."""
    return round(TABLES + 10 * ROW * images * study.models * study.regions)


def predict(study):
    """All images of a stimulus set as bytes, all natural ones, and what refits of a model say of the set."""
    rows = study.rows.values()
    passes = max(_shown(study, row, REVIEW_BATCH) for row in rows)
    most = max(loaded(study, row) for row in rows)
    images = (3 * study.images + SET_IMAGES) * study.image
    numbers = 8e-6 * SET_IMAGES * (4 * study.regions * study.config["readouts"]["refits"] + study.images)
    return _job(study, most, passes, images + numbers + 4e-6 * study.images * study.voxels)


def draw(study):
    """White noise of all sizes."""
    return round(NETWORKS + 3 * study.noise * study.image)


def cut(study):
    """Voxels of regions, cut out of the sessions of a subject; a session of NSD has a gigabyte of int16."""
    return 1000 if study.config["nsd"]["source"] == "miniature" else 4000


def average(study):
    """Responses of all voxels to all images."""
    return round(TABLES + 32e-6 * study.voxels * study.images)


def fit(study, row):
    """Features of all images in one layer, with copies, and responses of all voxels."""
    return round(TABLES + 6 * study.images * features(row) + 32e-6 * study.voxels * study.images)


def compare(study):
    """Axes and sketches of some models for one kind of responses and region; of one in float64; all pairs."""
    settings = study.config["eigenvectors"]
    probes = study.config["nsd"]["probes"]
    each = probes * (2 * settings["rank"] + settings["sketches"]) * study.image
    spaces = len(settings["responses"]) * study.regions * len(study.config["similarity"]["k"])
    pairs = COMPARED * probes * spaces * study.models**2 / 2
    return round(TABLES + min(2 * study.models * each, 1.5 * AXES) + 4 * each + pairs)


def changes(study):
    """Count the rows of transfer between all pairs of models, and of controls of each."""
    draws = study.config["controls"]
    pairs = study.main * (2 + 3 * draws["transfer_draws"]) + study.variants
    own = study.main * (1 + study.subjects) * (2 + 2 * draws["draws"])
    return study.models * (study.models * pairs + own)


def in_blocks(rows, kept=KEPT):
    """Rows of which a block is in memory at a time, and what is kept of all."""
    return round(TABLES + ROW * min(rows, BLOCK) + kept * rows)


def summarise(study):
    """Rows of transfer between all pairs of models, or of controls of each, in blocks."""
    return in_blocks(changes(study))


def collect(study):
    """The same rows and reviews, in blocks; what was read is written in parts."""
    return in_blocks(changes(study) + study.models * study.synthesised, COLLECTED)


def units(study):
    """Count the values that claims average: of pairs of models, region and image, and some of each model."""
    attacks, probes = study.config["attacks"], study.config["nsd"]["probes"]
    some = 2 * len(attacks["algorithms"]) * (attacks["variant_probes"] or probes)
    some += len(attacks["effects"]) * (attacks["effect_probes"] or probes)
    transferred = study.models * study.regions * (2 * probes + some)  # with similarity and what is above it
    return study.models * (transferred + study.synthesised / 4)  # of both directions, and pixels alone


def evaluate(study):
    """All values that claims average, and those of one claim with copies; and a permutation test."""
    return round(TABLES + LABELS + UNIT * units(study))


def control(study):
    """Responses of all models to all synthesised images, in blocks of reviewers."""
    return in_blocks(study.models * study.synthesised)


def judge(study):
    """Responses of all models to all synthesised images, and some of these images."""
    return round(TABLES + ROW * study.models * study.synthesised + 2000 * study.image)


def export(study, images):
    """Images of a stimulus set and their perturbations, with copies; 654 of 64 pixels took 552 MB."""
    return round(TABLES + 12 * images * study.image)


def check(study, images):
    """The same as bytes, and their perturbations; 654 of 64 pixels took 257 MB."""
    return round(TABLES + 5 * images * study.image)


def rank(study, stimuli):
    """Covariances of responses to all stimuli of a set in all regions, and what models predict of them."""
    rows = 3 * stimuli * study.models * study.regions * (1 + study.subjects)
    return round(TABLES + COVARIANCES * 8e-6 * (stimuli * study.regions) ** 2 + ROW * rows)
