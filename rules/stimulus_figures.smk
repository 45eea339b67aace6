"""Figures of stimulus sets: which stimuli teach most, and how large an experiment has to be.

reads   results/candidates/{set}, results/networks/networks.parquet (names, order, colours)
makes   results/figures/{figure}_{set}.pdf, .png and .csv   one set of files for each figure and stimulus set
"""

CAPTIONS |= {f"stimulus_ranking_{name}": "stimulus_ranking" for name in SETS}
CAPTIONS |= {f"power_{name}": "power" for name in SETS}
FIGURES += CAPTIONS


def set_figure_files(name):
    """Name the outputs of a figure of each set: PDF, PNG (which the report shows with its caption) and CSV."""
    path = f"results/figures/{name}_{{set}}"
    png = report(f"{path}.png", caption=f"../docs/captions/{name}.rst", category="Figures")
    return {"pdf": f"{path}.pdf", "png": png, "csv": f"{path}.csv"}


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
        set_ranking="results/candidates/{set}/ranking.parquet",
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
        choose=of_design("choose"),
        experiment=of_design("experiment"),
        script="plot_power.py",
        code=code_of("plot_power.py"),
