"""Declare what a column and a table are, and the columns that several tables share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """Declare one column: its type (a key of `store.SCALARS` or `store.LISTS`), its unit and its meaning."""

    type: str
    unit: str
    meaning: str
    missing: bool = False  # whether NaN or null may stand in it


@dataclass(frozen=True)
class Table:
    """Declare one table: its name, the columns that identify a row, and all columns by name."""

    name: str
    meaning: str
    key: tuple
    columns: dict


NETWORK = Column("string", "", "name of a network, or simulated_brain")
SUBJECT = Column(
    "string", "", "subject, as in NSD (subj01 ...) or own data, or group: the mean over subjects"
)
ROI = Column("string", "", "region of interest, by its name in the configuration: FFA, EBA, PPA")
IMAGE = Column(
    "string",
    "",
    "stimulus: nsd_ and the 0-based id among the images of NSD; of own data its path in their folder, "
    "without suffix",
)
TARGET = Column("string", "", "mean (of the region) or the number of a voxel")
DIRECTION = Column("string", "", "increase or decrease of the predicted response; none: a random control")
RESPONSE = Column(
    "string",
    "",
    "what is differentiated: group (the mean of a region over subjects), subjects (the mean of each), voxels "
    "(of all subjects), joint (voxels of all regions), features (of the layers that are read)",
)
REGION = Column("string", "", "region of interest, or all: of joint and features")
LAYER = Column("string", "", "named module of the network")
SCORE = {
    "r": Column("float64", "Pearson r", "predicted against measured, test images", missing=True),
    "ci_low": Column("float64", "Pearson r", "95% interval over images, jackknife", missing=True),
    "ci_high": Column("float64", "Pearson r", "95% interval over images, jackknife", missing=True),
    "ceiling": Column(
        "float64", "Pearson r", "largest r that noise of what is predicted allows", missing=True
    ),
    "r_over_ceiling": Column("float64", "ratio", "r relative to the ceiling", missing=True),
    "n_test": Column("int32", "images", "images that r is computed on"),
}
K = Column("int32", "axes", "dimension of the subspaces: the k leading axes")
L2_RADIUS = Column("float64", "l2 norm, pixels in [0, 1]", "largest size that was allowed")

# Columns about attacks.
SD = "SD over training images"
ATTACK = Column(
    "string",
    "",
    "l2: the strongest of a size, which most results are about; linf: the same in another norm; l2_pgd, "
    "l2_apgd: by another algorithm; l2_large: ten times the size; l2_effect: the smallest with a wanted "
    "effect; random, random_linf, random_large: white noise of the sizes of l2, linf, l2_large; "
    "random_effect: of the mean size of the perturbations of l2_effect that increase and decrease a response",
)
NORM = Column("string", "", "l2 or linf: of radius and size")
RADIUS = Column(
    "float64", "norm, pixels in [0, 1]", "largest size that was allowed; 0 where an effect was wanted"
)
WANTED = Column("float64", SD, "change that was wanted; 0 where the size was given")
DRAW = Column("int32", "", "number of a random draw, from 1; 0 where nothing is drawn")
SIZE = Column("float64", "norm, pixels in [0, 1]", "size of the perturbation as it is stored")
KIND = Column(
    "string",
    "",
    "attack: made for this image and region on this model; other_image: made for another image; "
    "other_region: for another region; phase_scrambled: its amplitude spectrum with random phases; "
    "random: white noise; transferred: made on another network. All of one size",
)
CONTROL = Column(
    "string",
    "",
    "phase_scrambled: the amplitude spectrum of the source's attack with random phases; other_image: the "
    "source's attack on another image; other_region: the source's attack on another region",
)

# columns that several summaries have
LOW = Column("float64", "as the estimate", "lower end of the 95% interval", missing=True)
HIGH = Column("float64", "as the estimate", "upper end of the 95% interval", missing=True)
IMAGES = Column("int32", "images", "that were resampled")
FAMILY = Column("string", "", "family of networks, or simulated_brain; all: not split by family")
ARCHITECTURES = Column(
    "string",
    "",
    "of the two models of a pair: same, different, any (not split), or itself (a model's own perturbations)",
)
AXES_K = Column("int32", "axes", "dimension of the subspaces: the k leading axes; 0 where none are compared")
ATTACK_RADIUS = Column("float64", "l2 norm, pixels in [0, 1]", "of the attack; 0 where there is none")
CHANCE = Column(
    "float64", "0 to 1", "of random subspaces or perturbations: k / (pixels x colours)", missing=True
)
REASON = Column(
    "string", "", "why values of the row, or their intervals, are missing (see `undefined`); empty: none is"
)
MAIN_RADIUS = Column("bool", "", "whether radius is in l2 and the main radius: the largest of the attacks l2")

# Columns about synthesised images.
MAKER = Column("string", "", "model whose predicted response was changed, or simulated_brain")
MADE = Column(
    "string",
    "",
    "perturbation: the largest change that a size allows, on a ladder of sizes; accentuation: the smallest "
    "perturbation that brings the response to a level; exciting: an image of the largest or least response",
)
ARM = Column(
    "string",
    "",
    "pixels: no prior; fourier: gradients are weighted by 1 / frequency^exponent, so that coarse changes are "
    "preferred",
)
SAME_SIZE = Column(
    "string",
    "",
    "none: made for the model; else an image that differs from the start image by as much (l2) as the row "
    "without control does. blend: a step towards the natural image of the largest (decrease: least) measured "
    "response; phase_scrambled: the same amplitude spectrum with random phases",
)
GOAL = Column("string", "", "increase or decrease of the response; of accentuation whichever the level needs")
START = Column(
    "string",
    "",
    "of an exciting image: natural, grey or noise; natural for all others, which are changes of image_id",
)
STEP = Column("int32", "", "place on the ladder of radii or of levels, from 1; 1 for exciting images")
START_IMAGE = Column("string", "", "natural image that was changed, as image_id of stimuli; none: no such")
LADDER_RADIUS = Column(
    "float64",
    "l2 norm, pixels in [0, 1]",
    "largest allowed size; of exciting images the largest allowed distance from mid grey. Missing: no limit",
    missing=True,
)
WANTED_LEVEL = Column(
    "float64",
    "natural levels",
    "wanted; 0 and 1 are quantiles 0.01 and 0.99 of the maker's responses to natural images. Missing: none",
    missing=True,
)
LEVEL = "natural levels: 0 and 1 are the quantiles 0.01 and 0.99 of its responses to natural images"
FILE = Column("string", "", "PNG file of the image, relative to the folder of the workflow")
