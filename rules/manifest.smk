"""Manifest: the record of how a study was made.

reads   names of all results that people read; the records that all jobs left in logs and results/benchmarks
makes   results/manifest.json            settings, seeds, versions, hardware, run times, and digests of all tables
        results/ro-crate-metadata.json   the jobs and their files, as a Process Run Crate
"""


rule write_manifest:
    """Versions, seeds, settings, hardware, wall time of every rule, and digests of every table."""
    input:
        figures=expand("results/figures/{figure}.csv", figure=FIGURES),
        movies=expand("results/movies/{movie}.webp", movie=MOVIES),
        summaries=SUMMARIES,
        claims=["results/claims/claims.csv", "results/claims/results.md"],
    output:
        manifest="results/manifest.json",
        crate="results/ro-crate-metadata.json",
    log:
        "logs/write_manifest.log",
    benchmark:
        "results/benchmarks/write_manifest.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="1GB",
        runtime="30m",
    params:
        configuration=config,
        network_seeds={name: row["seed"] for name, row in ROWS.items() if row.get("seed")},
        snakemake=snakemake.__version__,
        licence="https://spdx.org/licenses/MIT",
        code=code_of("write_manifest.py"),
    script:
        "../workflow/scripts/write_manifest.py"
