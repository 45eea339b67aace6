"""Stimulus sets: folders of images that an experiment can run.

reads   results/candidates/{set}/                images of the set, what models answer to them, rank and power
        results/networks/networks.parquet        families of networks
makes   results/stimulus_sets/{set}/             the folder for a laboratory: pictures, tables, README, digests
        results/candidates/{set}/check.csv       what is wrong with that folder: no row
"""


rule export_stimulus_set:
    """The folder of one stimulus set, measured again as the 8-bit files that it holds."""
    input:
        stimuli="results/candidates/{set}/stimuli.parquet",
        pictures="results/candidates/{set}/pictures",
        perturbations="results/candidates/{set}/perturbations.safetensors",
        predictions="results/candidates/{set}/predictions.parquet",
        ranking="results/candidates/{set}/ranking.parquet",
        power="results/candidates/{set}/power.parquet",
        experiments="results/candidates/{set}/experiments.parquet",
        networks="results/networks/networks.parquet",
    output:
        folder=directory("results/stimulus_sets/{set}"),
    log:
        "logs/export_stimulus_set/{set}.log",
    benchmark:
        "results/benchmarks/export_stimulus_set/{set}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem="4GB",
        runtime="30m",
    params:
        design=value_for_set(DESIGNS),
        source=SOURCE,
        code=code_of("export_stimulus_set.py"),
    script:
        "../workflow/scripts/export_stimulus_set.py"


rule check_stimulus_set:
    """Whether the folder of one stimulus set is whole, unchanged, and agrees with itself."""
    input:
        folder="results/stimulus_sets/{set}",
    output:
        check="results/candidates/{set}/check.csv",
    log:
        "logs/check_stimulus_set/{set}.log",
    benchmark:
        "results/benchmarks/check_stimulus_set/{set}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="30m",
    params:
        code=code_of("check_stimulus_set.py"),
    script:
        "../workflow/scripts/check_stimulus_set.py"
