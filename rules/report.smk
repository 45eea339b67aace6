"""Report: one page of what was found, and the record of how it was made; both are written last.

reads   results/claims, results/figures, results/movies, a few tables of the explorer, the captions in docs/captions;
        the records that all jobs left in logs and results/benchmarks
makes   results/manifest.json   settings, seeds, versions, hardware, run times, and digests of all tables
        results/report.html     the page; it carries all that it shows
"""

REPORT_PARTS = "workflow/scripts/codingaxes/report"
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


rule write_manifest:
    """Versions, seeds, settings, hardware, wall time of every rule, and digests of every table."""
    input:
        figures=expand("results/figures/{figure}.csv", figure=FIGURES),
        movies=expand("results/movies/{movie}.webp", movie=MOVIES),
        summaries=SUMMARIES,
        claims=["results/claims/claims.csv", "results/claims/results.md"],
    output:
        manifest="results/manifest.json",
    log:
        "logs/write_manifest.log",
    benchmark:
        "results/benchmarks/write_manifest.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="30m",
    params:
        configuration=config,
        network_seeds={name: row["seed"] for name, row in ROWS.items() if row.get("seed")},
        snakemake=snakemake.__version__,
        code=code_of("write_manifest.py"),
    script:
        "../workflow/scripts/write_manifest.py"


rule write_report:
    """One page: the four questions with their answers, an explorer, claims, figures, movies and the record."""
    input:
        manifest="results/manifest.json",
        claims="results/claims/claims.parquet",
        networks="results/networks/networks.parquet",
        transfers="results/summaries/transfers.parquet",
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        chosen_images="results/synthesis/chosen_images.parquet",
        synthesis=expand("results/synthesis/perturbations/{model}.parquet", model=MODELS),
        pictures=expand("results/synthesis/pictures/perturbations/{model}", model=MODELS),
        peer_review="results/synthesis/peer_review.parquet",
        figures=expand("results/figures/{figure}.png", figure=FIGURES),
        captions=expand("docs/captions/{figure}.rst", figure=FIGURES),
        movies=expand("results/movies/{movie}.webp", movie=MOVIES),
        movie_caption="docs/captions/movies.rst",
        parts=expand(f"{REPORT_PARTS}/{{part}}", part=["page.html", "page.css", "page.js"]),
    output:
        report="results/report.html",
    log:
        "logs/write_report.log",
    benchmark:
        "results/benchmarks/write_report.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="4GB",
        runtime="30m",
    params:
        image_size=config["image_size"],
        regions=REGION_ORDER,
        code=code_of("write_report.py"),
    script:
        "../workflow/scripts/write_report.py"
