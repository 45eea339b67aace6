"""Declare the tables of images made elsewhere: what they are, what models answer, how methods compare."""

from codingaxes.tables.columns import HIGH, LEVEL, LOW, REASON, ROI, SD, Column, Table

FILE = Column("string", "", "image file, by its name within the folder, with / between the parts")
METHOD = Column("string", "", "what made the image: as images.csv or the name of its folder says")
PIXELS = "pixels in [0, 1]"
NETWORK = Column("string", "", "network whose response it is, or simulated_brain")
WANTED = Column("string", "", "increase or decrease of the response; empty: none was wanted")
NOISE_MEAN = Column(
    "float64",
    SD,
    "mean |change| by white noise of the same l2 size on the same original; missing: no size, or no such "
    "noise within the range of pixels",
    missing=True,
)
NOISE_Q95 = Column("float64", SD, "95% quantile of the same", missing=True)

SCORED_IMAGES = Table(
    "scored_images",
    "one row per image made elsewhere; sizes are of the file less its original, both at the study's size",
    ("filename",),
    {
        "filename": FILE,
        "method": METHOD,
        "original": Column(
            "string", "", "what it was made of: a file of the folder, or an image_id of stimuli; may be empty"
        ),
        "roi": Column("string", "", "region whose response was to change; empty: all"),
        "direction": WANTED,
        "readable": Column("bool", "", "whether it could be read; others have no scores"),
        "converted": Column(
            "string", "", "what was changed when it was read: orientation, colours, bits, square, size"
        ),
        "original_converted": Column("string", "", "the same of its original"),
        "original_digest": Column(
            "string",
            "",
            "of the pixels of the original at the study's size: the unit of intervals, whatever its names; "
            "empty: there is none",
        ),
        "l2": Column("float64", f"l2 norm, {PIXELS}", "of image less original", missing=True),
        "linf": Column("float64", f"l∞ norm, {PIXELS}", "of the same", missing=True),
        "rms": Column(
            "float64", "grey levels, 0 to 255", "root mean square of the same, over colours too", missing=True
        ),
        "duplicate_of": Column("string", "", "first image of the list with the same pixels; empty: none"),
        "flag": Column(
            "string",
            "",
            "unreadable, no original, resampled, converted, duplicate, same as its original; empty: nothing",
        ),
        "reason": Column("string", "", "why it could not be read, or why sizes are missing; empty: neither"),
        "sha256": Column("string", "", "digest of the file; empty: not there"),
    },
)

IMAGE_SCORES = Table(
    "image_scores",
    "one row per readable image made elsewhere, model and region: the response, and what white noise does",
    ("filename", "network", "roi"),
    {
        "filename": FILE,
        "method": METHOD,
        "network": NETWORK,
        "roi": ROI,
        "meant": Column("bool", "", "whether the image was made for this region, or for all"),
        "response": Column("float64", SD, "to the image"),
        "before": Column("float64", SD, "to its original", missing=True),
        "change": Column("float64", SD, "response less before", missing=True),
        "level_before": Column("float64", LEVEL, "of the original", missing=True),
        "level": Column("float64", LEVEL, "of the image", missing=True),
        "super_stimulus": Column(
            "bool",
            "",
            "level above 1 (increase) or below 0 (decrease); false where neither was wanted of this region",
        ),
        "noise_mean": NOISE_MEAN,
        "noise_q95": NOISE_Q95,
        "beyond_noise": Column("bool", "", "|change| above noise_q95; false where one is missing"),
        "reason": REASON,
    },
)

SEEN_BY = Column("string", "", "network, simulated_brain, or family of networks, as seen_as says")
SEEN_AS = Column("string", "", "network; family: mean over its networks within each image; brain")
MEASURE = Column(
    "string",
    "",
    "wanted: change of the response, positive in the wanted direction, which some have; size: |change|",
)

METHOD_CURVES = Table(
    "method_curves",
    "one row per method, model or family, region, measure, and size, or wanted change",
    ("method", "seen_as", "seen_by", "roi", "measure", "at", "step"),
    {
        "method": Column(
            "string", "", "as of scored_images; all: of white noise, on the originals of all methods"
        ),
        "seen_as": SEEN_AS,
        "seen_by": SEEN_BY,
        "roi": ROI,
        "measure": MEASURE,
        "at": Column(
            "string",
            "",
            "norm: the change at a given size; effect: the size that a given change needs; own: mean size "
            "and change of all images of the method; noise: mean |change| by white noise of a given size",
        ),
        "step": Column("int32", "", "place among the sizes, or among the wanted changes, from 1"),
        "l2": Column(
            "float64", f"l2 norm, {PIXELS}", "given; of effect the median over images", missing=True
        ),
        "change": Column("float64", SD, "mean over images; of effect the given one", missing=True),
        "ci_low": LOW,
        "ci_high": HIGH,
        "noise_mean": NOISE_MEAN,
        "noise_q95": NOISE_Q95,
        "common": Column("bool", "", "whether all methods have a value here (at norm: of all their images)"),
        "front": Column(
            "bool",
            "",
            "no method has as large a change at a smaller size, or a larger one at that size (Pareto)",
        ),
        "n_images": Column("int32", "images", "originals that have a value here"),
        "reason": REASON,
    },
)

METHODS = Table(
    "methods",
    "one row per method, model or family, region and measure: methods at equal norm, and beyond noise",
    ("method", "seen_as", "seen_by", "roi", "measure"),
    {
        "method": METHOD,
        "seen_as": SEEN_AS,
        "seen_by": SEEN_BY,
        "roi": ROI,
        "measure": MEASURE,
        "n_files": Column("int32", "images", "that were made for the region and can be read"),
        "n_left_out": Column("int32", "images", "of these, without a size above 0, or without the measure"),
        "n_images": Column("int32", "images", "originals of the others"),
        "same_images": Column("bool", "", "whether all methods have the same originals here"),
        "l2_low": Column(
            "float64", f"l2 norm, {PIXELS}", "smallest size that all methods with a curve have", missing=True
        ),
        "l2_high": Column("float64", f"l2 norm, {PIXELS}", "largest such size", missing=True),
        "area": Column(
            "float64", f"{SD} x natural log of l2", "under the curve, between these sizes", missing=True
        ),
        "mean_change": Column("float64", SD, "area over the width of the range: mean height", missing=True),
        "ci_low": Column("float64", SD, "of mean_change, 95% interval over images", missing=True),
        "ci_high": Column("float64", SD, "its upper end", missing=True),
        "beyond_noise": Column(
            "float64", "0 to 1", "share of its images whose |change| is above noise_q95", missing=True
        ),
        "super_rate": Column(
            "float64",
            "0 to 1",
            "share of its images with a wanted direction that are super-stimuli",
            missing=True,
        ),
        "front_images": Column(
            "int32",
            "images",
            "of it that no image of any method beats in size and change (Pareto)",
        ),
        "reason": REASON,
    },
)
