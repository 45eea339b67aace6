"""Report: one page of what was found, written last.

reads   results/manifest.json, results/claims, results/figures, results/movies, a few tables of the explorer, and the
        captions in docs/captions
makes   results/report.html   the page; it carries all that it shows
"""

REPORT_PARTS = f"{HOME}workflow/scripts/codingaxes/report"


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
        captions=[f"{HOME}docs/captions/{CAPTIONS.get(figure, figure)}.rst" for figure in FIGURES],
        movies=expand("results/movies/{movie}.webp", movie=MOVIES),
        movie_caption=f"{HOME}docs/captions/movies.rst",
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
        mem=mem(memory.judge),
        runtime="30m",
    params:
        image_size=config["image_size"],
        regions=REGION_ORDER,
        code=code_of("write_report.py"),
    script:
        "../workflow/scripts/write_report.py"
