"""Declare the tables of summaries: every number that a figure, a text or a claim shows.

The measures themselves are defined in `estimates.measures`.
"""

from codingaxes.tables.columns import (
    ATTACK,
    KIND,
    LAYER,
    NETWORK,
    NORM,
    RADIUS,
    REGION,
    RESPONSE,
    ROI,
    SD,
    WANTED,
    Column,
    Table,
)

LOW = Column("float64", "as the estimate", "2.5th percentile of the bootstrap", missing=True)
HIGH = Column("float64", "as the estimate", "97.5th percentile of the bootstrap", missing=True)
IMAGES = Column("int32", "images", "that were resampled")
FAMILY = Column("string", "", "family of networks, or simulated_brain; all: not split by family")
ARCHITECTURES = Column(
    "string",
    "",
    "of the two models of a pair: same, different, any (not split), or itself (a model's own perturbations)",
)
K = Column("int32", "axes", "dimension of the subspaces: the k leading axes; 0 where none are compared")
ATTACK_RADIUS = Column("float64", "l2 norm, pixels in [0, 1]", "of the attack; 0 where there is none")
CHANCE = Column(
    "float64", "0 to 1", "of random subspaces or perturbations: k / (pixels x colours)", missing=True
)
MAIN_RADIUS = Column("bool", "", "whether radius is in l2 and the main radius: the largest of the attacks l2")

SENSITIVITIES = Table(
    "sensitivities",
    "one row per network, readout and kind of perturbation: how far it moves the prediction",
    ("network", "subject", "roi", "norm", "radius", "kind"),
    {
        "network": NETWORK,
        "subject": Column(
            "string",
            "",
            "a subject, group (the mean over subjects), or subjects: each one's own, resampled too",
        ),
        "roi": Column("string", "", "region, or all"),
        "norm": NORM,
        "radius": RADIUS,
        "kind": KIND,
        "main_radius": MAIN_RADIUS,
        "median": Column(
            "float64",
            SD,
            "median change: of own attacks in the attacked direction, of all else by its size; see "
            "`measures.sensitivity`",
            missing=True,
        ),
        "ci_low": LOW,
        "ci_high": HIGH,
        "n_images": IMAGES,
        "n_subjects": Column("int32", "subjects", "that were resampled; 1: none were"),
        "n_changes": Column("int32", "changes", "images, directions, draws, sources and subjects together"),
        "unconverged": Column("float64", "0 to 1", "share of attacks that have not converged; they are kept"),
    },
)

TRANSFERS = Table(
    "transfers",
    "one row per attack, source and target: means over images of what the source's perturbations do",
    ("attack", "roi", "radius", "wanted", "source", "target"),
    {
        "attack": ATTACK,
        "roi": Column("string", "", "region, or all"),
        "radius": RADIUS,
        "wanted": WANTED,
        "source": Column("string", "", "network that was attacked; none for random"),
        "target": Column("string", "", "network, or simulated_brain, that it is shown to"),
        "family_source": Column("string", "", "family of the source, simulated_brain, or none for random"),
        "family_target": Column("string", "", "family of the target, or simulated_brain"),
        "architectures": ARCHITECTURES,
        "main_radius": MAIN_RADIUS,
        "change": Column(
            "float64",
            SD,
            "change of the target, positive in the attacked direction; of noise: absolute. Over "
            "the attacks that reached what was wanted, as are noise and size",
            missing=True,
        ),
        "change_low": LOW,
        "change_high": HIGH,
        "of_source": Column("float64", "ratio", "change over that of the source itself", missing=True),
        "of_source_low": LOW,
        "of_source_high": HIGH,
        "of_target": Column("float64", "ratio", "change over that by the target's own attack", missing=True),
        "of_target_low": LOW,
        "of_target_high": HIGH,
        "noise": Column(
            "float64", SD, "absolute change of the target under white noise of equal size", missing=True
        ),
        "size": Column("float64", "norm, pixels in [0, 1]", "mean size of the perturbations", missing=True),
        "reached": Column("float64", "0 to 1", "share of the source's attacks that reached what was wanted"),
        "n_images": Column("int32", "images", "with a row that counts"),
    },
)

CHANGES = Table(
    "changes",
    "one row per network, region, radius and perturbation: mean change over images, directions and targets",
    ("network", "roi", "radius", "perturbation"),
    {
        "network": Column("string", "", "network attacked; of noise: network that it is shown to"),
        "roi": ROI,
        "radius": RADIUS,
        "perturbation": Column(
            "string",
            "",
            "own: the attack shown to the network itself; transferred: shown to the other networks, their "
            "mean; noise: white noise of the same size, mean |change|",
        ),
        "change": Column("float64", SD, "mean, positive in the attacked direction", missing=True),
        "ci_low": LOW,
        "ci_high": HIGH,
        "n_images": IMAGES,
    },
)

SIZES = Table(
    "sizes",
    "one row per model, region and wanted change: size of the smallest perturbation that has it",
    ("network", "roi", "wanted"),
    {
        "network": NETWORK,
        "roi": ROI,
        "wanted": WANTED,
        "size": Column(
            "float64",
            "l2 norm, pixels in [0, 1]",
            "median over images and directions; inf: larger than any tried, for at least half of them",
        ),
        "size_low": Column("float64", "l2 norm, pixels in [0, 1]", "lower quartile; inf as for size"),
        "size_high": Column("float64", "l2 norm, pixels in [0, 1]", "upper quartile; inf as for size"),
        "reached": Column("float64", "0 to 1", "share of attacks that reached the wanted change"),
        "noise_of_wanted": Column(
            "float64",
            "ratio",
            "absolute change under white noise of the sizes that the sources needed, over the wanted change; "
            "mean over sources",
            missing=True,
        ),
        "n_images": Column("int32", "images", "attacked"),
    },
)

ALGORITHMS = Table(
    "algorithms",
    "one row per algorithm and kind of pair: whether conclusions about transfer depend on the attacker",
    ("attack", "measure", "family_source", "family_target", "architectures"),
    {
        "attack": ATTACK,
        "measure": Column("string", "", "own change, relative transfer, or rank agreement (over all pairs)"),
        "family_source": FAMILY,
        "family_target": FAMILY,
        "architectures": ARCHITECTURES,
        "radius": RADIUS,
        "estimate": Column("float64", "unit", "mean over pairs, regions and images", missing=True),
        "ci_low": LOW,
        "ci_high": HIGH,
        "difference": Column(
            "float64",
            "unit",
            "from the attack l2 of the same radius and images; not of ranks",
            missing=True,
        ),
        "difference_low": LOW,
        "difference_high": HIGH,
        "n": Column("int32", "models or pairs", "averaged"),
        "n_images": IMAGES,
        "unit": Column("string", "", "of estimate and difference"),
    },
)

NETWORK_MEASURES = Table(
    "network_measures",
    "one row per network and region: how well the group's response is predicted, and what goes with it",
    ("network", "roi"),
    {
        "network": NETWORK,
        "roi": ROI,
        "r": Column("float64", "Pearson r", "predicted against measured, held-out images", missing=True),
        "r_low": Column("float64", "Pearson r", "2.5th percentile, bootstrap over images", missing=True),
        "r_high": Column("float64", "Pearson r", "97.5th percentile, bootstrap over images", missing=True),
        "ceiling": Column("float64", "Pearson r", "largest r that noise allows", missing=True),
        "r_over_ceiling": Column("float64", "ratio", "r relative to the ceiling", missing=True),
        "r_over_ceiling_low": Column("float64", "ratio", "r_low relative to the ceiling", missing=True),
        "r_over_ceiling_high": Column("float64", "ratio", "r_high relative to the ceiling", missing=True),
        "r_k_fold": Column("float64", "Pearson r", "mean over folds of all images", missing=True),
        "r_k_fold_over_ceiling": Column("float64", "ratio", "r_k_fold relative to the ceiling", missing=True),
        "n_train": Column("int32", "images", "that the readout was fitted on"),
        "n_test": Column("int32", "images", "held out, that r is computed on"),
        "accuracy": Column("float64", "0 to 1", "of the network on its own task", missing=True),
        "accuracy_of": Column("string", "", "what accuracy is, and whence; empty where it is missing"),
        "layer": LAYER,
        "sparseness": Column("float64", "0 to 1", "of the layer that is read", missing=True),
        "normalised_variance": Column("float64", "0 to 1", "of the layer that is read", missing=True),
        "effective_dimensionality": Column(
            "float64", "dimensions", "of the layer that is read", missing=True
        ),
        "relative_norm": Column("float64", SD, "length of the readout times the spread of what it reads"),
        "n_stimuli": Column("int32", "images", "that the layer is described with"),
        "sensitivity": Column("float64", SD, "see `measures.sensitivity`; at the main radius", missing=True),
        "radius": RADIUS,
        "unconverged": Column("float64", "0 to 1", "share of those attacks that have not converged; kept"),
        "n_probes": Column("int32", "images", "attacked"),
    },
)

NETWORK_CORRELATIONS = Table(
    "network_correlations",
    "one row per region and two measures: Spearman's rank correlation over networks, descriptive",
    ("roi", "x", "y"),
    {
        "roi": ROI,
        "x": Column("string", "", "column of network_measures"),
        "y": Column("string", "", "column of network_measures"),
        "rank_correlation": Column(
            "float64",
            "Spearman r",
            "missing where fewer than three networks have both, or one measure is the same for all",
            missing=True,
        ),
        "n_networks": Column("int32", "networks", "that have both measures"),
    },
)

AXES = Table(
    "axes",
    "one row per model, region and measure of its voxels' axes: median and quartiles over images",
    ("network", "roi", "measure"),
    {
        "network": NETWORK,
        "roi": ROI,
        "measure": Column(
            "string",
            "",
            "participation_ratio: number of axes that share the power; attack_share: share of the squared "
            "size of the model's own attack within its k leading axes",
        ),
        "k": K,
        "radius": ATTACK_RADIUS,
        "value": Column("float64", "axes, or 0 to 1", "median over images; directions are averaged first"),
        "low": Column("float64", "as value", "lower quartile over images"),
        "high": Column("float64", "as value", "upper quartile over images"),
        "chance": CHANCE,
        "n_images": Column("int32", "images", "with a value"),
    },
)

SPECTRA = Table(
    "spectra",
    "one row per model and spatial frequency: share of the power of voxels' axes, mean over regions",
    ("network", "frequency"),
    {
        "network": NETWORK,
        "frequency": Column("float64", "cycles per image", "centre of an annulus that is 1 wide"),
        "share": Column("float64", "0 to 1", "of the power; mean over leading axes, images and regions"),
        "n_images": Column("int32", "images", "fewest of the regions"),
    },
)

SIMILARITY_LEVELS = Table(
    "similarity_levels",
    "one row per kind of pair and level (mean over pairs), and per pair on the same image",
    ("response", "roi", "k", "level", "family_i", "family_j", "architectures", "network_i", "network_j"),
    {
        "response": RESPONSE,
        "roi": REGION,
        "k": K,
        "level": Column(
            "string",
            "",
            "same_image; different_images: one model's axes on an image and the other's on others; "
            "matched_random: unrelated axes with the spatial frequencies of the two models",
        ),
        "family_i": FAMILY,
        "family_j": FAMILY,
        "architectures": ARCHITECTURES,
        "network_i": Column("string", "", "network, or simulated_brain; mean: over all pairs of the kind"),
        "network_j": Column("string", "", "network, or simulated_brain; mean: over all pairs of the kind"),
        "similarity": Column("float64", "0 to 1", "mean squared cosine of the principal angles"),
        "chance": CHANCE,
        "n_pairs": Column("int32", "pairs", "averaged"),
        "n_images": Column("int32", "images", "fewest of these pairs"),
    },
)

SIMILARITY_CLUSTERS = Table(
    "similarity_clusters",
    "one row per merger: models clustered by the similarity of their voxels' axes (average linkage)",
    ("roi", "step"),
    {
        "roi": ROI,
        "k": K,
        "step": Column("int32", "", "from 0, the most similar first; of n models it makes cluster n + step"),
        "left": Column("int32", "", "below n: the place of a model, from 0; else a cluster"),
        "right": Column("int32", "", "as left"),
        "distance": Column("float64", "0 to 1", "1 - similarity, mean over pairs between the two"),
        "size": Column("int32", "models", "in the new cluster"),
        "left_network": Column("string", "", "name of the model at left; empty: left is a cluster"),
        "right_network": Column("string", "", "name of the model at right; empty: right is a cluster"),
    },
)

AGREEMENT = Table(
    "agreement",
    "one row per network, region and measure: agreement with the simulated brain",
    ("network", "roi", "measure"),
    {
        "network": NETWORK,
        "roi": ROI,
        "measure": Column(
            "string",
            "",
            "cosine: of the gradients; similarity: of the k leading axes of voxels; relative_change: what "
            "the network's attack does to the brain, over what it does to the network",
        ),
        "k": K,
        "radius": ATTACK_RADIUS,
        "value": Column(
            "float64", "cosine, 0 to 1, or ratio", "mean over images; ratio of means", missing=True
        ),
        "ci_low": LOW,
        "ci_high": HIGH,
        "chance": CHANCE,
        "n_images": IMAGES,
    },
)

NUMBERS = Table(
    "numbers",
    "one row per number of the study",
    (
        "measure",
        "perturbation",
        "family_source",
        "family_target",
        "architectures",
        "k",
        "wanted",
        "radius",
        "roi",
    ),
    {
        "measure": Column(
            "string",
            "",
            "mean_change: of a model's own response; relative_transfer: change of another model over that of "
            "the attacked one; similarity: of axes on the same image; similarity_across_images; "
            "similarity_by_spectrum: of unrelated axes with the same spatial frequencies; chance: of random "
            "axes; gradient_cosine: with the simulated brain; unconverged: share of own attacks that have "
            "not converged; reached: share of own attacks that reached the wanted change",
        ),
        "perturbation": Column(
            "string",
            "",
            "attack, other_image, other_region, phase_scrambled, random: see sensitivity; empty: none",
        ),
        "family_source": FAMILY,
        "family_target": FAMILY,
        "architectures": ARCHITECTURES,
        "k": K,
        "wanted": WANTED,
        "radius": ATTACK_RADIUS,
        "roi": Column("string", "", "region, or all"),
        "estimate": Column("float64", "unit", "mean", missing=True),
        "ci_low": Column("float64", "as the estimate", "2.5th percentile; missing for shares", missing=True),
        "ci_high": Column(
            "float64", "as the estimate", "97.5th percentile; missing for shares", missing=True
        ),
        "n": Column("int32", "models or pairs", "averaged"),
        "n_images": Column("int32", "images", "averaged and resampled"),
        "unit": Column("string", "", "unit of estimate, ci_low and ci_high"),
    },
)
