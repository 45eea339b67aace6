"""Figures of attacks, from their summaries: each as PDF and PNG, and what it plots as CSV.

reads   results/networks.parquet (names, order, colours), results/sensitivities.parquet,
        results/transfers.parquet, results/algorithms.parquet, and of results/variants/{model}.parquet the
        sizes of attacks with a wanted effect
makes   results/figures/sensitivity, fixed_effect and attack_algorithms .pdf, .png and .csv
"""


rule plot_sensitivity:
    """How far attacks, transferred attacks and controls of one size move each model."""
    input:
        networks="results/networks.parquet",
        sensitivities="results/sensitivities.parquet",
    output:
        pdf="results/figures/sensitivity.pdf",
        png=report(
            "results/figures/sensitivity.png",
            caption="../docs/captions/sensitivity.rst",
            category="Figures",
        ),
        csv="results/figures/sensitivity.csv",
    log:
        "logs/plot_sensitivity.log",
    benchmark:
        "results/benchmarks/plot_sensitivity.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        code=code_of("plot_sensitivity.py"),
    script:
        "../workflow/scripts/plot_sensitivity.py"


rule plot_fixed_effect:
    """Size that each model needs for a wanted effect, and how such perturbations transfer."""
    input:
        networks="results/networks.parquet",
        transfers="results/transfers.parquet",
        variants=expand("results/variants/{model}.parquet", model=MODELS),
    output:
        pdf="results/figures/fixed_effect.pdf",
        png=report(
            "results/figures/fixed_effect.png",
            caption="../docs/captions/fixed_effect.rst",
            category="Figures",
        ),
        csv="results/figures/fixed_effect.csv",
    log:
        "logs/plot_fixed_effect.log",
    benchmark:
        "results/benchmarks/plot_fixed_effect.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        code=code_of("plot_fixed_effect.py"),
    script:
        "../workflow/scripts/plot_fixed_effect.py"


rule plot_attack_algorithms:
    """Effects and transfer of attacks by three algorithms."""
    input:
        networks="results/networks.parquet",
        algorithms="results/algorithms.parquet",
    output:
        pdf="results/figures/attack_algorithms.pdf",
        png=report(
            "results/figures/attack_algorithms.png",
            caption="../docs/captions/attack_algorithms.rst",
            category="Figures",
        ),
        csv="results/figures/attack_algorithms.csv",
    log:
        "logs/plot_attack_algorithms.log",
    benchmark:
        "results/benchmarks/plot_attack_algorithms.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        code=code_of("plot_attack_algorithms.py"),
    script:
        "../workflow/scripts/plot_attack_algorithms.py"
