"""Eigenvectors: the local coding axes of each model, and how similar those of different models are.

reads   results/nsd/stimuli.parquet and images, a network with its readouts or the simulated brain
makes   results/eigenvectors/{model}.parquet   one row per region, probe image and rank
        results/gradients/{model}.parquet      one row per region and probe image
        results/similarity.parquet             one row per pair of models, region, probe image and k
"""


rule compute_eigenvectors:
    """Leading eigenvectors of JᵀJ, J: predicted voxel responses of a region by pixels; and gradients."""
    input:
        unpack(parts_of_model),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
    output:
        eigenvectors="results/eigenvectors/{model}.parquet",
        gradients="results/gradients/{model}.parquet",
    log:
        "logs/compute_eigenvectors/{model}.log",
    benchmark:
        "results/benchmarks/compute_eigenvectors/{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem="4GB",
        runtime="4h",
    params:
        **config["eigenvectors"],
        seed=config["seed"],
        device=config["device"],
        image_size=config["image_size"],
        network=row_of,
        code=code_of("compute_eigenvectors.py"),
    script:
        "../workflow/scripts/compute_eigenvectors.py"


rule compare_subspaces:
    """Similarity of the leading axes, and of the gradients, of every two models."""
    input:
        eigenvectors=expand("results/eigenvectors/{model}.parquet", model=MODELS),
        gradients=expand("results/gradients/{model}.parquet", model=MODELS),
    output:
        similarity="results/similarity.parquet",
    log:
        "logs/compare_subspaces.log",
    benchmark:
        "results/benchmarks/compare_subspaces.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="8GB",
        runtime="2h",
    params:
        k=config["similarity"]["k"],
        code=code_of("compare_subspaces.py"),
    script:
        "../workflow/scripts/compare_subspaces.py"


rule summarise_effects:
    """The numbers of the study with intervals: sensitivity, transfer, similarity, agreement with the brain."""
    input:
        networks="results/networks.parquet",
        transfer=expand("results/transfer/{model}.parquet", model=MODELS),
        similarity="results/similarity.parquet",
    output:
        effects="results/effects.parquet",
        csv=report("results/effects.csv", caption="../docs/captions/effects.rst", category="Numbers"),
        text="results/effects.txt",
    log:
        "logs/summarise_effects.log",
    benchmark:
        "results/benchmarks/summarise_effects.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="4GB",
        runtime="30m",
    params:
        bootstrap=config["effects"]["bootstrap"],
        seed=config["seed"],
        code=code_of("summarise_effects.py"),
    script:
        "../workflow/scripts/summarise_effects.py"
