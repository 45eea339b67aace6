"""Stimulus sets: images that an experiment can show, and what every model answers to them.

reads   results/candidates/{set}/stimuli.parquet and pictures, the files of every model
makes   results/candidates/{set}/predictions.parquet   one row per stimulus, model, region and reader
        results/candidates/{set}/refits.parquet        changes by readouts that were fitted again
"""


rule predict_stimuli:
    """The responses of every model to every image of a set, as the 8-bit file that it is, with intervals."""
    input:
        unpack(files_of_models),
        set="results/candidates/{set}/stimuli.parquet",
        pictures="results/candidates/{set}/pictures",
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        measurements="results/readouts/measurements.parquet",
        natural=expand("results/attacks/natural/{model}.parquet", model=MODELS),
    output:
        predictions="results/candidates/{set}/predictions.parquet",
        refits="results/candidates/{set}/refits.parquet",
    log:
        "logs/predict_stimuli/{set}.log",
    benchmark:
        "results/benchmarks/predict_stimuli/{set}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=mem(memory.predict),
        runtime="4h",
    params:
        method=config["readouts"]["method"],
        components=config["readouts"]["components"],
        refits=config["readouts"]["refits"],
        seed=config["seed"],
        device=config["device"],
        image_size=config["image_size"],
        models=functions_of_models,
        code=code_of("predict_stimuli.py"),
    script:
        "../workflow/scripts/predict_stimuli.py"
