"""Axes: the local coding axes of each model, leading eigenvectors of JᵀJ.

reads   results/nsd/stimuli.parquet and images, a network with its readouts or the simulated brain
makes   results/axes/eigenvectors/{model}.parquet   one row per kind of response, region, probe image and rank
        results/axes/jacobians/{model}.parquet      one row per kind of response, region and probe image
"""


rule compute_eigenvectors:
    """Leading eigenvectors of JᵀJ, J: several kinds of responses by pixels; of one response, its gradient."""
    input:
        unpack(files_of_model),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        voxels=expand("results/nsd/voxels/{subject}.parquet", subject=SUBJECTS),
    output:
        eigenvectors="results/axes/eigenvectors/{model}.parquet",
        jacobians="results/axes/jacobians/{model}.parquet",
    log:
        "logs/compute_eigenvectors/{model}.log",
    benchmark:
        "results/benchmarks/compute_eigenvectors/{model}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=MODEL_MEMORY,
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
