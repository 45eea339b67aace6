"""Summaries: sensitivity and transfer as estimates with intervals, over images and, where it says so, subjects.

reads   results/networks.parquet, results/sensitivity/{model}.parquet, results/transfer/{model}.parquet,
        results/transfer_variants/{model}.parquet
makes   results/sensitivities.parquet   one row per model, readout, region, norm, radius and kind of perturbation
        results/transfers.parquet       one row per attack, region, size, source and target
        results/algorithms.parquet      transfer by other algorithms, beside the one that all else uses
"""


rule summarise_sensitivity:
    """Median change of every prediction under its own attack and under each control, with intervals."""
    input:
        sensitivity=expand("results/sensitivity/{model}.parquet", model=MODELS),
        transfer=expand("results/transfer/{model}.parquet", model=MODELS),
    output:
        sensitivities="results/sensitivities.parquet",
        csv="results/sensitivities.csv",
    log:
        "logs/summarise_sensitivity.log",
    benchmark:
        "results/benchmarks/summarise_sensitivity.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="8GB",
        runtime="1h",
    params:
        bootstrap=config["effects"]["bootstrap"],
        seed=config["seed"],
        code=code_of("summarise_sensitivity.py"),
    script:
        "../workflow/scripts/summarise_sensitivity.py"


rule summarise_transfer:
    """Change of every target by every source's attacks: as it is, and as a share of the source's and its own."""
    input:
        transfer=expand("results/transfer/{model}.parquet", model=MODELS),
        variants=expand("results/transfer_variants/{model}.parquet", model=MODELS),
    output:
        transfers="results/transfers.parquet",
        csv="results/transfers.csv",
    log:
        "logs/summarise_transfer.log",
    benchmark:
        "results/benchmarks/summarise_transfer.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="8GB",
        runtime="30m",
    params:
        bootstrap=config["effects"]["bootstrap"],
        seed=config["seed"],
        code=code_of("summarise_transfer.py"),
    script:
        "../workflow/scripts/summarise_transfer.py"


rule compare_algorithms:
    """Own effect and transfer of attacks by other algorithms, on the same models and images."""
    input:
        networks="results/networks.parquet",
        transfer=expand("results/transfer/{model}.parquet", model=MODELS),
        variants=expand("results/transfer_variants/{model}.parquet", model=MODELS),
    output:
        algorithms="results/algorithms.parquet",
        csv="results/algorithms.csv",
    log:
        "logs/compare_algorithms.log",
    benchmark:
        "results/benchmarks/compare_algorithms.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="4GB",
        runtime="30m",
    params:
        bootstrap=config["effects"]["bootstrap"],
        seed=config["seed"],
        code=code_of("compare_algorithms.py"),
    script:
        "../workflow/scripts/compare_algorithms.py"
