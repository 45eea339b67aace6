"""Similarity: how the local coding axes of different models compare.

reads   results/nsd/stimuli.parquet, results/axes: eigenvectors, jacobians, remainders of each model,
        results/attacks/perturbations/{model}.parquet
makes   results/similarity/similarity.parquet         one row per pair of models, kind, region, probe image and k
        results/similarity/similarity_means.parquet   one row per pair of models, kind, region and k
        results/similarity/profiles.parquet           spatial frequencies of each model's axes
        results/similarity/alignment.parquet          how much of each attack the leading axes hold
"""

# Minutes: two hours, and of more than 30 models as much longer as they have more pairs.
COMPARING = max(120, round(120 * len(MODELS) * (len(MODELS) - 1) / (30 * 29)))


rule compare_subspaces:
    """Similarity of the leading axes of every two models, their spectra, and the attacks inside their span."""
    input:
        stimuli="results/nsd/stimuli.parquet",
        eigenvectors=expand("results/axes/eigenvectors/{model}.parquet", model=MODELS),
        jacobians=expand("results/axes/jacobians/{model}.parquet", model=MODELS),
        remainders=expand("results/axes/remainders/{model}.parquet", model=MODELS),
        attacks=expand("results/attacks/perturbations/{model}.parquet", model=MODELS),
    output:
        similarity="results/similarity/similarity.parquet",
        similarity_means="results/similarity/similarity_means.parquet",
        profiles="results/similarity/profiles.parquet",
        alignment="results/similarity/alignment.parquet",
    log:
        "logs/compare_subspaces.log",
    benchmark:
        "results/benchmarks/compare_subspaces.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.compare),
        runtime=COMPARING,
    params:
        k=config["similarity"]["k"],
        null_draws=config["similarity"]["null_draws"],
        seed=config["seed"],
        image_size=config["image_size"],
        bootstrap=config["estimates"]["bootstrap"],
        code=code_of("compare_subspaces.py"),
    script:
        "../workflow/scripts/compare_subspaces.py"
