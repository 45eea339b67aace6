"""codingaxes: which image directions drive a network-based model of the brain, and whether models share them.

snakemake --cores 2                 the whole study, with config/config.yaml (the miniature)
snakemake --cores 2 figures         figures only
snakemake --cores 2 --config archive=true           figures, movies and the report, of archived tables
snakemake --cores 2 stimulus_sets                   folders of images that an experiment can run
snakemake --cores 2 networks        does every network of the table build, answer and differentiate?
snakemake --cores 4 fetch           only all downloads, for nodes of a cluster that have no internet
snakemake --cores 8 --configfile config/nsd.yaml --config 'nsd={terms_accepted: true}'     the full study
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


report: "docs/captions/report.rst"


include: "rules/common.smk"
include: "rules/designs.smk"


# An archive has the tables of these steps, and no files that they could be made of.
if not config["archive"]:

    include: "rules/own.smk" if SOURCE == "own" else "rules/nsd.smk"
    include: "rules/networks.smk"
    include: "rules/features.smk"
    include: "rules/readouts.smk"
    include: "rules/attacks.smk"
    include: "rules/transfer.smk"
    include: "rules/axes.smk"
    include: "rules/similarity.smk"
    include: "rules/synthesis.smk"
    include: "rules/summaries.smk"
    include: "rules/control.smk"
    include: "rules/scoring.smk"
    include: "rules/claims.smk"
    include: "rules/stimulus_sets.smk"


include: "rules/figures.smk"
include: "rules/synthesis_figures.smk"
include: "rules/stimulus_figures.smk"
include: "rules/scoring_figures.smk"
include: "rules/movies.smk"


if not config["archive"]:

    include: "rules/manifest.smk"


include: "rules/report.smk"


rule all:
    """The report, figures and movies, and the numbers of the study as tables and text."""
    default_target: True
    input:
        expand("results/figures/{figure}.pdf", figure=FIGURES),
        expand("results/movies/{movie}.webp", movie=MOVIES),
        SUMMARIES,
        "results/claims/claims.csv",
        "results/claims/results.md",
        expand("results/candidates/{set}/check.csv", set=[] if config["archive"] else SETS),
        "results/report.html",


rule figures:
    """Every figure."""
    input:
        expand("results/figures/{figure}.pdf", figure=FIGURES),


if not config["archive"]:

    rule stimulus_sets:
        """Every stimulus set, as a folder that an experiment can run, and checked."""
        input:
            expand("results/candidates/{set}/check.csv", set=SETS),


rule zoo:
    """Every network of the zoo, trained again; see `make zoo`."""
    input:
        expand("results/networks/trained/{network}.{suffix}", network=ZOO, suffix=["safetensors", "json"]),


rule networks:
    """What every network of the table is and can do, measured on one image."""
    input:
        "results/networks/checks.csv",


if not config["archive"]:

    rule fetch:
        """Every download of the study: NSD and the weights of networks."""
        input:
            DOWNLOADED if SOURCE == "nsd" else [],
            expand("resources/weights/{network}.safetensors", network=FETCHED),
