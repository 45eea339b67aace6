"""Figures of synthesised images: sheets of the pictures, and what all models answer to them.

reads   results/synthesis, their summaries, results/networks/networks.parquet (names, order, colours)
makes   results/figures/{figure}.pdf, .png and .csv   one set for each of the figures below
"""

FIGURES += [
    "large_perturbations",
    "noise_patterns",
    "ladder_strips",
    "exciting_images",
    "peer_review",
    "control_slopes",
    "response_against_radius",
    "category_evidence",
]
if not HAS_BRAIN:
    FIGURES.remove("control_slopes")


# Images and large perturbations of them, by a standard and a robust network, up and down.
use rule plot_predicted_vs_measured as plot_large_perturbations with:
    input:
        networks="results/networks/networks.parquet",
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        chosen_images="results/synthesis/chosen_images.parquet",
        synthesis=expand("results/synthesis/perturbations/{model}.parquet", model=MODELS),
        pictures=expand("results/synthesis/pictures/perturbations/{model}", model=MODELS),
        peer_review="results/synthesis/peer_review.parquet",
    output:
        **figure_files("large_perturbations"),
    log:
        "logs/plot_large_perturbations.log",
    benchmark:
        "results/benchmarks/plot_large_perturbations.tsv"
    params:
        image_size=config["image_size"],
        regions=REGION_ORDER,
        script="plot_large_perturbations.py",
        code=code_of("plot_large_perturbations.py"),


# The perturbations of one image for all models, standard and robust networks apart.
use rule plot_predicted_vs_measured as plot_noise_patterns with:
    input:
        networks="results/networks/networks.parquet",
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        chosen_images="results/synthesis/chosen_images.parquet",
        synthesis=expand("results/synthesis/perturbations/{model}.parquet", model=MODELS),
        pictures=expand("results/synthesis/pictures/perturbations/{model}", model=MODELS),
    output:
        **figure_files("noise_patterns"),
    log:
        "logs/plot_noise_patterns.log",
    benchmark:
        "results/benchmarks/plot_noise_patterns.tsv"
    params:
        image_size=config["image_size"],
        regions=REGION_ORDER,
        script="plot_noise_patterns.py",
        code=code_of("plot_noise_patterns.py"),


# One image as its perturbation grows, for a standard network, a robust one and the simulated brain.
use rule plot_predicted_vs_measured as plot_ladder_strips with:
    input:
        networks="results/networks/networks.parquet",
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        chosen_images="results/synthesis/chosen_images.parquet",
        synthesis=expand("results/synthesis/perturbations/{model}.parquet", model=MODELS),
        pictures=expand("results/synthesis/pictures/perturbations/{model}", model=MODELS),
        peer_review="results/synthesis/peer_review.parquet",
    output:
        **figure_files("ladder_strips"),
    log:
        "logs/plot_ladder_strips.log",
    benchmark:
        "results/benchmarks/plot_ladder_strips.tsv"
    params:
        image_size=config["image_size"],
        regions=REGION_ORDER,
        script="plot_ladder_strips.py",
        code=code_of("plot_ladder_strips.py"),


# Maximally and minimally exciting images of some models, and the response of every model to each.
use rule plot_predicted_vs_measured as plot_exciting_images with:
    input:
        networks="results/networks/networks.parquet",
        synthesis=expand("results/synthesis/exciting/{model}.parquet", model=EXCITING_MAKERS),
        pictures=expand("results/synthesis/pictures/exciting/{model}", model=EXCITING_MAKERS),
        peer_review="results/synthesis/peer_review.parquet",
    output:
        **figure_files("exciting_images"),
    log:
        "logs/plot_exciting_images.log",
    benchmark:
        "results/benchmarks/plot_exciting_images.tsv"
    params:
        image_size=config["image_size"],
        regions=REGION_ORDER,
        script="plot_exciting_images.py",
        code=code_of("plot_exciting_images.py"),


# The level that images made for one model reach in every other.
use rule plot_predicted_vs_measured as plot_peer_review with:
    input:
        networks="results/networks/networks.parquet",
        control_slopes="results/summaries/control_slopes.parquet",
    output:
        **figure_files("peer_review"),
    log:
        "logs/plot_peer_review.log",
    benchmark:
        "results/benchmarks/plot_peer_review.tsv"
    params:
        regions=REGION_ORDER,
        highest=config["synthesis"]["levels"]["highest"],
        script="plot_peer_review.py",
        code=code_of("plot_peer_review.py"),


# How far each network controls the simulated brain, and what goes with it.
use rule plot_predicted_vs_measured as plot_control_slopes with:
    input:
        networks="results/networks/networks.parquet",
        control_slopes="results/summaries/control_slopes.parquet",
        network_measures="results/summaries/network_measures.parquet",
        axes="results/summaries/axes.parquet",
        predictors="results/summaries/predictors.parquet",
    output:
        **figure_files("control_slopes"),
    log:
        "logs/plot_control_slopes.log",
    benchmark:
        "results/benchmarks/plot_control_slopes.tsv"
    params:
        regions=REGION_ORDER,
        script="plot_control_slopes.py",
        code=code_of("plot_control_slopes.py"),


# The change of each maker's own response, and of the simulated brain's, as perturbations grow.
use rule plot_predicted_vs_measured as plot_response_against_radius with:
    input:
        networks="results/networks/networks.parquet",
        ladder_changes="results/summaries/ladder_changes.parquet",
    output:
        **figure_files("response_against_radius"),
    log:
        "logs/plot_response_against_radius.log",
    benchmark:
        "results/benchmarks/plot_response_against_radius.tsv"
    params:
        image_size=config["image_size"],
        regions=REGION_ORDER,
        script="plot_response_against_radius.py",
        code=code_of("plot_response_against_radius.py"),


# Evidence of independent judges for the category of a region, before and after.
use rule plot_predicted_vs_measured as plot_category_evidence with:
    input:
        networks="results/networks/networks.parquet",
        category_evidence="results/summaries/category_evidence.parquet",
    output:
        **figure_files("category_evidence"),
    log:
        "logs/plot_category_evidence.log",
    benchmark:
        "results/benchmarks/plot_category_evidence.tsv"
    params:
        image_size=config["image_size"],
        regions=REGION_ORDER,
        script="plot_category_evidence.py",
        code=code_of("plot_category_evidence.py"),
