"""Control: who controls whom by synthesised images, how far, and whether it is meaningful.

reads   results/networks/networks.parquet, results/synthesis/perturbations/{model}.parquet,
        results/synthesis/peer_review.parquet
makes   results/summaries/control_slopes.parquet, .csv   one row per maker, reviewer, region, arm and control
        results/summaries/ladder_changes.parquet         one row per maker, reviewer, region, direction and radius
        results/summaries/category_evidence.parquet      one row per family of makers and of judges, and radius
"""


rule summarise_control:
    """Control slopes, changes along the ladder of sizes, and category evidence, with intervals over images."""
    input:
        networks="results/networks/networks.parquet",
        perturbations=expand("results/synthesis/perturbations/{model}.parquet", model=MODELS),
        peer_review="results/synthesis/peer_review.parquet",
    output:
        control_slopes="results/summaries/control_slopes.parquet",
        csv=report(
            "results/summaries/control_slopes.csv",
            caption="../docs/captions/control_slopes_table.rst",
            category="Numbers",
        ),
        ladder_changes="results/summaries/ladder_changes.parquet",
        category_evidence="results/summaries/category_evidence.parquet",
    log:
        "logs/summarise_control.log",
    benchmark:
        "results/benchmarks/summarise_control.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.control),
        runtime="30m",
    params:
        bootstrap=config["estimates"]["bootstrap"],
        seed=config["seed"],
        code=code_of("summarise_control.py"),
    script:
        "../workflow/scripts/summarise_control.py"
