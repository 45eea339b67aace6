"""Axes: the local coding axes of each model, leading eigenvectors of JᵀJ.

reads   results/nsd/stimuli.parquet and images, a network with its readouts or the simulated brain
makes   results/axes/eigenvectors/{model}.parquet   one row per kind of response, region, probe image and rank
        results/axes/jacobians/{model}.parquet      one row per kind of response, region and probe image
        results/axes/remainders/{model}.parquet     random sketches of what the axes leave
        results/axes/inherited/{model}.parquet      sensitivity that readouts inherit from their features
"""


def components_of_model(wildcards):
    """Name the components of a network's features; the simulated brain has none."""
    return [] if wildcards.model == BRAIN else f"results/readouts/components/{wildcards.model}.parquet"


rule compute_eigenvectors:
    """Leading eigenvectors of JᵀJ, J: several kinds of responses by pixels; of one response, its gradient."""
    input:
        unpack(files_of_model),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        voxels=expand("results/nsd/voxels/{subject}.parquet", subject=SUBJECTS),
        components=components_of_model,
    output:
        eigenvectors="results/axes/eigenvectors/{model}.parquet",
        jacobians="results/axes/jacobians/{model}.parquet",
        remainders="results/axes/remainders/{model}.parquet",
        inherited="results/axes/inherited/{model}.parquet",
    log:
        "logs/compute_eigenvectors/{model}.log",
    benchmark:
        "results/benchmarks/compute_eigenvectors/{model}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=mem_of_row(memory.differentiate),
        runtime="4h",
    params:
        **config["eigenvectors"],
        seed=config["seed"],
        device=config["device"],
        image_size=config["image_size"],
        network=function_of_model,
        code=code_of("compute_eigenvectors.py"),
    script:
        "../workflow/scripts/compute_eigenvectors.py"
