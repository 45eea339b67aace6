"""Figures: every figure as PDF and PNG, and what it plots as CSV. A figure computes nothing: it draws tables.

reads   results/networks/networks.parquet (names, order, colours), summaries, a few tables of single images
makes   results/figures/{figure}.pdf, .png and .csv   one set for each of FIGURES; the PNG goes into the report
"""

FIGURES = [
    "predicted_vs_measured",
    "predictivity_vs_accuracy",
    "predictivity_vs_sensitivity",
    "sensitivity_vs_representation",
    "attack_effects",
    "sensitivity",
    "transfer_matrix",
    "transfer_strips",
    "fixed_effect",
    "attack_algorithms",
    "similarity_matrix",
    "similarity_clusters",
    "similarity_levels",
    "axes",
    "example_perturbations",
    "agreement",
    "predictors",
    "families",
]
if not any(row["source"] == "zoo" or "top1" in row for row in map(ROWS.get, NETWORKS)):
    FIGURES.remove("predictivity_vs_accuracy")
if not config["attacks"]["algorithms"]:
    FIGURES.remove("attack_algorithms")
if not config["attacks"]["effects"]:
    FIGURES.remove("fixed_effect")
if not {"standard", "robust"} <= {row["family"] for row in ROWS.values()}:
    FIGURES.remove("families")
if len(MODELS) < 2:  # of a single model there are no pairs
    FIGURES = [name for name in FIGURES if not name.startswith("similarity")]
if not HAS_BRAIN:
    FIGURES.remove("agreement")
    FIGURES.remove("predictors")
# Captions of figures that do not bear the name of their caption.
CAPTIONS = {}
# Summaries that are written for people too, beside what figures show.
SUMMARIES = [
    "results/summaries/numbers.txt",
    "results/summaries/sensitivities.csv",
    "results/summaries/transfers.csv",
    *["results/summaries/algorithms.csv"] * bool(config["attacks"]["algorithms"]),
    "results/summaries/regression.csv",
    "results/summaries/control_slopes.csv",
    *["results/summaries/predictors.csv"] * HAS_BRAIN,
    "results/summaries/predictivity.csv",
]


def figure_files(name):
    """Name the outputs of a figure: PDF, PNG (which the report shows with its caption) and CSV."""
    path = f"results/figures/{name}"
    png = report(f"{path}.png", caption=f"../docs/captions/{name}.rst", category="Figures")
    return {"pdf": f"{path}.pdf", "png": png, "csv": f"{path}.csv"}


# Predicted against measured responses of the group on held-out images, for the first network of each family.
rule plot_predicted_vs_measured:
    """Draw one figure from tables; the comment above its rule says what it shows."""
    input:
        networks="results/networks/networks.parquet",
        scores=expand("results/readouts/scores/{network}.parquet", network=NETWORKS),
        predictions=expand("results/readouts/predictions/{network}.parquet", network=NETWORKS),
    output:
        **figure_files("predicted_vs_measured"),
    log:
        "logs/plot_predicted_vs_measured.log",
    benchmark:
        "results/benchmarks/plot_predicted_vs_measured.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="1500MB",
        runtime="10m",
    params:
        script="plot_predicted_vs_measured.py",
        code=code_of("plot_predicted_vs_measured.py"),
    script:
        "../workflow/scripts/{params.script}"


# How well each network does its own task against how well it predicts a region.
use rule plot_predicted_vs_measured as plot_predictivity_vs_accuracy with:
    input:
        networks="results/networks/networks.parquet",
        network_measures="results/summaries/network_measures.parquet",
        network_correlations="results/summaries/network_correlations.parquet",
    output:
        **figure_files("predictivity_vs_accuracy"),
    log:
        "logs/plot_predictivity_vs_accuracy.log",
    benchmark:
        "results/benchmarks/plot_predictivity_vs_accuracy.tsv"
    params:
        script="plot_predictivity_vs_accuracy.py",
        code=code_of("plot_predictivity_vs_accuracy.py"),


# How well each network predicts a region against how far an attack moves its prediction.
use rule plot_predicted_vs_measured as plot_predictivity_vs_sensitivity with:
    input:
        networks="results/networks/networks.parquet",
        network_measures="results/summaries/network_measures.parquet",
        sensitivities="results/summaries/sensitivities.parquet",
    output:
        **figure_files("predictivity_vs_sensitivity"),
    log:
        "logs/plot_predictivity_vs_sensitivity.log",
    benchmark:
        "results/benchmarks/plot_predictivity_vs_sensitivity.tsv"
    params:
        script="plot_predictivity_vs_sensitivity.py",
        code=code_of("plot_predictivity_vs_sensitivity.py"),


# Statistics of the layer that a region reads against how far an attack moves the prediction.
use rule plot_predicted_vs_measured as plot_sensitivity_vs_representation with:
    input:
        networks="results/networks/networks.parquet",
        network_measures="results/summaries/network_measures.parquet",
        network_correlations="results/summaries/network_correlations.parquet",
    output:
        **figure_files("sensitivity_vs_representation"),
    log:
        "logs/plot_sensitivity_vs_representation.log",
    benchmark:
        "results/benchmarks/plot_sensitivity_vs_representation.tsv"
    params:
        script="plot_sensitivity_vs_representation.py",
        code=code_of("plot_sensitivity_vs_representation.py"),


# What attacks do to the network they were made on and to others, and what noise of equal size does.
use rule plot_predicted_vs_measured as plot_attack_effects with:
    input:
        networks="results/networks/networks.parquet",
        changes="results/summaries/changes.parquet",
    output:
        **figure_files("attack_effects"),
    log:
        "logs/plot_attack_effects.log",
    benchmark:
        "results/benchmarks/plot_attack_effects.tsv"
    params:
        script="plot_attack_effects.py",
        code=code_of("plot_attack_effects.py"),


# How far attacks, transferred attacks and controls of one size move each model.
use rule plot_predicted_vs_measured as plot_sensitivity with:
    input:
        networks="results/networks/networks.parquet",
        sensitivities="results/summaries/sensitivities.parquet",
    output:
        **figure_files("sensitivity"),
    log:
        "logs/plot_sensitivity.log",
    benchmark:
        "results/benchmarks/plot_sensitivity.tsv"
    params:
        script="plot_sensitivity.py",
        code=code_of("plot_sensitivity.py"),


# Change of every model by every model's attacks, in SD and as a share of its own, and by their controls.
use rule plot_predicted_vs_measured as plot_transfer_matrix with:
    input:
        networks="results/networks/networks.parquet",
        transfers="results/summaries/transfers.parquet",
        transfer_controls="results/summaries/transfer_controls.parquet",
    output:
        **figure_files("transfer_matrix"),
    log:
        "logs/plot_transfer_matrix.log",
    benchmark:
        "results/benchmarks/plot_transfer_matrix.tsv"
    params:
        regions=REGION_ORDER,
        script="plot_transfer_matrix.py",
        code=code_of("plot_transfer_matrix.py"),


# For every source a strip of the changes of all targets by its attacks, and of their controls.
use rule plot_predicted_vs_measured as plot_transfer_strips with:
    input:
        networks="results/networks/networks.parquet",
        transfers="results/summaries/transfers.parquet",
        transfer_controls="results/summaries/transfer_controls.parquet",
    output:
        **figure_files("transfer_strips"),
    log:
        "logs/plot_transfer_strips.log",
    benchmark:
        "results/benchmarks/plot_transfer_strips.tsv"
    params:
        regions=REGION_ORDER,
        script="plot_transfer_strips.py",
        code=code_of("plot_transfer_strips.py"),


# Sizes that each model needs for wanted changes, and how such perturbations transfer.
use rule plot_predicted_vs_measured as plot_fixed_effect with:
    input:
        networks="results/networks/networks.parquet",
        sizes="results/summaries/sizes.parquet",
        fixed_effect="results/summaries/fixed_effect.parquet",
    output:
        **figure_files("fixed_effect"),
    log:
        "logs/plot_fixed_effect.log",
    benchmark:
        "results/benchmarks/plot_fixed_effect.tsv"
    params:
        script="plot_fixed_effect.py",
        code=code_of("plot_fixed_effect.py"),


# Own change and transfer of attacks by three algorithms.
use rule plot_predicted_vs_measured as plot_attack_algorithms with:
    input:
        networks="results/networks/networks.parquet",
        algorithms="results/summaries/algorithms.parquet",
    output:
        **figure_files("attack_algorithms"),
    log:
        "logs/plot_attack_algorithms.log",
    benchmark:
        "results/benchmarks/plot_attack_algorithms.tsv"
    params:
        script="plot_attack_algorithms.py",
        code=code_of("plot_attack_algorithms.py"),


# Similarity of the leading coding axes of every two models.
use rule plot_predicted_vs_measured as plot_similarity_matrix with:
    input:
        networks="results/networks/networks.parquet",
        similarity_means="results/similarity/similarity_means.parquet",
    output:
        **figure_files("similarity_matrix"),
    log:
        "logs/plot_similarity_matrix.log",
    benchmark:
        "results/benchmarks/plot_similarity_matrix.tsv"
    params:
        script="plot_similarity_matrix.py",
        code=code_of("plot_similarity_matrix.py"),


# The same, with models in the order of their clusters: do families cluster by themselves?
use rule plot_predicted_vs_measured as plot_similarity_clusters with:
    input:
        networks="results/networks/networks.parquet",
        similarity_means="results/similarity/similarity_means.parquet",
        similarity_clusters="results/summaries/similarity_clusters.parquet",
    output:
        **figure_files("similarity_clusters"),
    log:
        "logs/plot_similarity_clusters.log",
    benchmark:
        "results/benchmarks/plot_similarity_clusters.tsv"
    params:
        script="plot_similarity_clusters.py",
        code=code_of("plot_similarity_clusters.py"),


# Similarity of axes on the same image, on different images, and of random axes.
use rule plot_predicted_vs_measured as plot_similarity_levels with:
    input:
        networks="results/networks/networks.parquet",
        similarity_levels="results/summaries/similarity_levels.parquet",
    output:
        **figure_files("similarity_levels"),
    log:
        "logs/plot_similarity_levels.log",
    benchmark:
        "results/benchmarks/plot_similarity_levels.tsv"
    params:
        script="plot_similarity_levels.py",
        code=code_of("plot_similarity_levels.py"),


# Spatial frequencies of each model's axes, how many there are, and how much of its attacks they hold.
use rule plot_predicted_vs_measured as plot_axes with:
    input:
        networks="results/networks/networks.parquet",
        axes="results/summaries/axes.parquet",
        spectra="results/summaries/spectra.parquet",
    output:
        **figure_files("axes"),
    log:
        "logs/plot_axes.log",
    benchmark:
        "results/benchmarks/plot_axes.tsv"
    params:
        script="plot_axes.py",
        code=code_of("plot_axes.py"),


# One probe image and its perturbations for a standard network, a robust one and the brain.
use rule plot_predicted_vs_measured as plot_example_perturbations with:
    input:
        networks="results/networks/networks.parquet",
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        perturbations=expand("results/attacks/perturbations/{model}.parquet", model=MODELS),
        sensitivity=expand("results/attacks/sensitivity/{model}.parquet", model=MODELS),
    output:
        **figure_files("example_perturbations"),
    log:
        "logs/plot_example_perturbations.log",
    benchmark:
        "results/benchmarks/plot_example_perturbations.tsv"
    params:
        image_size=config["image_size"],
        script="plot_example_perturbations.py",
        code=code_of("plot_example_perturbations.py"),


# Agreement of each network's gradients, axes and attacks with those of the simulated brain.
use rule plot_predicted_vs_measured as plot_agreement with:
    input:
        networks="results/networks/networks.parquet",
        agreement="results/summaries/agreement.parquet",
        numbers="results/summaries/numbers.parquet",
    output:
        **figure_files("agreement"),
    log:
        "logs/plot_agreement.log",
    benchmark:
        "results/benchmarks/plot_agreement.tsv"
    params:
        script="plot_agreement.py",
        code=code_of("plot_agreement.py"),


# Which property of networks tells how far their attacks drive the simulated brain.
use rule plot_predicted_vs_measured as plot_predictors with:
    input:
        networks="results/networks/networks.parquet",
        predictors="results/summaries/predictors.parquet",
    output:
        **figure_files("predictors"),
    log:
        "logs/plot_predictors.log",
    benchmark:
        "results/benchmarks/plot_predictors.tsv"
    params:
        script="plot_predictors.py",
        code=code_of("plot_predictors.py"),


# Robust against standard networks: the relative difference of every measure, its interval, and the verdict.
use rule plot_predicted_vs_measured as plot_families with:
    input:
        families="results/summaries/families.parquet",
    output:
        **figure_files("families"),
    log:
        "logs/plot_families.log",
    benchmark:
        "results/benchmarks/plot_families.tsv"
    params:
        script="plot_families.py",
        code=code_of("plot_families.py"),
