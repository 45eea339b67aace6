"""Stimulus sets: images that an experiment can show, what every model predicts of them, and their power.

reads   config/stimulus_sets/{set}.yaml, results/networks/networks.parquet, noise of trials in results/nsd/regions
makes   results/candidates/{set}/ranking.parquet       stimuli in the order in which they teach most
        results/candidates/{set}/curves.parquet        how many stimuli tell the right family, by strategy
        results/candidates/{set}/power.parquet         how often an experiment of a size finds the difference
        results/candidates/{set}/experiments.parquet   the planned experiment, run on the simulated brain
        results/figures/stimulus_ranking_{set}, power_{set}   .pdf, .png and .csv
"""


def of_design(key):
    """Give a rule one key of the design of its set."""

    def parameter(wildcards):
        return DESIGNS[wildcards.set][key]

    return parameter


def mem_of_ranking(wildcards, attempt):
    """Ask for the memory of a ranking, by the number of stimuli that are made for models."""
    design = DESIGNS[wildcards.set]
    sizes = sum(len(design[key]) for key in ("radii", "effects", "levels"))
    images = max(design["images"]["number"], len(design["images"]["list"]))
    stimuli = images * STUDY.regions * len(design["directions"]) * sizes * len(design["makers"])
    return f"{attempt * memory.rank(STUDY, stimuli)}MB"


def set_figure_files(name):
    """Name the outputs of a figure of each set: PDF, PNG (which the report shows with its caption) and CSV."""
    path = f"results/figures/{name}_{{set}}"
    png = report(f"{path}.png", caption=f"../docs/captions/{name}.rst", category="Figures")
    return {"pdf": f"{path}.pdf", "png": png, "csv": f"{path}.csv"}


rule rank_stimuli:
    """Rank the stimuli of a set by what they tell about the right family, and try that on known truths."""
    input:
        networks="results/networks/networks.parquet",
        regions=expand("results/nsd/regions/{subject}.parquet", subject=SUBJECTS),
        targets="results/readouts/targets.parquet",
        stimuli="results/candidates/{set}/stimuli.parquet",
        predictions="results/candidates/{set}/predictions.parquet",
        refits="results/candidates/{set}/refits.parquet",
    output:
        ranking="results/candidates/{set}/ranking.parquet",
        curves="results/candidates/{set}/curves.parquet",
    log:
        "logs/rank_stimuli/{set}.log",
    benchmark:
        "results/benchmarks/rank_stimuli/{set}.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem_of_ranking,
        runtime="4h",
    params:
        compare=of_design("compare"),
        choose=of_design("choose"),
        number=of_design("number"),
        experiment=of_design("experiment"),
        brain_family=ROWS[BRAIN_NETWORK]["family"] if BRAIN_NETWORK else "",
        seed=config["seed"],
        code=code_of("rank_stimuli.py"),
    script:
        "../workflow/scripts/rank_stimuli.py"


rule plan_experiment:
    """The smallest experiment that finds the predicted difference, tried on the simulated brain."""
    input:
        networks="results/networks/networks.parquet",
        regions=expand("results/nsd/regions/{subject}.parquet", subject=SUBJECTS),
        targets="results/readouts/targets.parquet",
        stimuli="results/candidates/{set}/stimuli.parquet",
        ranking="results/candidates/{set}/ranking.parquet",
        predictions="results/candidates/{set}/predictions.parquet",
    output:
        power="results/candidates/{set}/power.parquet",
        experiments="results/candidates/{set}/experiments.parquet",
    log:
        "logs/plan_experiment/{set}.log",
    benchmark:
        "results/benchmarks/plan_experiment/{set}.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="1h",
    params:
        compare=of_design("compare"),
        experiment=of_design("experiment"),
        seed=config["seed"],
        code=code_of("plan_experiment.py"),
    script:
        "../workflow/scripts/plan_experiment.py"


# How many stimuli tell the right family, by how they are chosen.
use rule plot_predicted_vs_measured as plot_stimulus_ranking with:
    input:
        networks="results/networks/networks.parquet",
        selection_curves="results/candidates/{set}/curves.parquet",
    output:
        **set_figure_files("stimulus_ranking"),
    log:
        "logs/plot_stimulus_ranking/{set}.log",
    benchmark:
        "results/benchmarks/plot_stimulus_ranking/{set}.tsv"
    params:
        script="plot_stimulus_ranking.py",
        code=code_of("plot_stimulus_ranking.py"),


# Power against the size of the experiment, and the plan that it leads to.
use rule plot_predicted_vs_measured as plot_power with:
    input:
        networks="results/networks/networks.parquet",
        set_power="results/candidates/{set}/power.parquet",
        set_experiments="results/candidates/{set}/experiments.parquet",
    output:
        **set_figure_files("power"),
    log:
        "logs/plot_power/{set}.log",
    benchmark:
        "results/benchmarks/plot_power/{set}.tsv"
    params:
        regions=REGION_ORDER,
        experiment=of_design("experiment"),
        script="plot_power.py",
        code=code_of("plot_power.py"),
