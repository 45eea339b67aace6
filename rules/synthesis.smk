"""Synthesis: large perturbations, accentuated and maximally exciting images, and what every model answers.

reads   results/nsd/stimuli.parquet and images, measured responses, a network with its readouts or the simulated brain
makes   results/synthesis/chosen_images.parquet           natural images that synthesis starts from
        results/synthesis/perturbations/{model}.parquet   a row per image made on a ladder of sizes, or of levels
        results/synthesis/exciting/{model}.parquet        a row per image of the largest or least response
        results/synthesis/pictures/                       the images themselves, 8-bit PNG, a folder a model
        results/synthesis/peer_review.parquet             the response of every model to each of these files

Jobs that make images have priority: the review of all images is one job, and others can run beside it.
"""

# Parameters that both rules that make images share.
SYNTHESIS = {
    name: config["synthesis"][name] for name in ("arms", "exponent", "steps", "tolerance", "batch_size")
}
SYNTHESIS |= {name: config[name] for name in ("device", "image_size", "seed")}
SYNTHESIS["precision"] = config["attacks"]["precision"]


rule choose_images:
    """Natural images that synthesis starts from, and that others are blended with."""
    input:
        stimuli="results/nsd/stimuli.parquet",
        measurements="results/readouts/measurements.parquet",
    output:
        chosen="results/synthesis/chosen_images.parquet",
    log:
        "logs/choose_images.log",
    benchmark:
        "results/benchmarks/choose_images.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="1GB",
        runtime="10m",
    params:
        perturbed=config["synthesis"]["perturbed"],
        accentuated=config["synthesis"]["accentuated"],
        images=config["synthesis"]["images"],
        code=code_of("choose_images.py"),
    script:
        "../workflow/scripts/choose_images.py"


rule synthesise_perturbations:
    """Large perturbations along a ladder of sizes, and the smallest ones that reach levels, of one model."""
    input:
        unpack(files_of_model),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        chosen="results/synthesis/chosen_images.parquet",
        natural="results/attacks/natural/{model}.parquet",
    output:
        synthesis="results/synthesis/perturbations/{model}.parquet",
        pictures=directory("results/synthesis/pictures/perturbations/{model}"),
    log:
        "logs/synthesise_perturbations/{model}.log",
    benchmark:
        "results/benchmarks/synthesise_perturbations/{model}.tsv"
    priority: 10
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=mem_of_row(memory.search, config["synthesis"]["batch_size"]),
        runtime="4h",
    params:
        **SYNTHESIS,
        radii=config["synthesis"]["radii"],
        levels=config["synthesis"]["levels"],
        accuracy=config["synthesis"]["accuracy"],
        limit=config["synthesis"]["limit"],
        level_limit=config["synthesis"]["level_limit"],
        network=function_of_model,
        code=code_of("synthesise_perturbations.py"),
    script:
        "../workflow/scripts/synthesise_perturbations.py"


rule synthesise_images:
    """Maximally and minimally exciting images of one model."""
    input:
        unpack(files_of_model),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        chosen="results/synthesis/chosen_images.parquet",
    output:
        synthesis="results/synthesis/exciting/{model}.parquet",
        pictures=directory("results/synthesis/pictures/exciting/{model}"),
    log:
        "logs/synthesise_images/{model}.log",
    benchmark:
        "results/benchmarks/synthesise_images/{model}.tsv"
    priority: 10
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=mem_of_row(memory.search, config["synthesis"]["batch_size"]),
        runtime="4h",
    params:
        **SYNTHESIS,
        seeds=config["synthesis"]["seeds"],
        limit=config["synthesis"]["exciting_limit"],
        network=function_of_model,
        code=code_of("synthesise_images.py"),
    script:
        "../workflow/scripts/synthesise_images.py"


def files_of_models(wildcards):
    """Name the files of all models, as the inputs {name}.{part}."""
    return {f"{name}.{part}": file for name in MODELS for part, file in model_files(name).items()}


def functions_of_models(wildcards):
    """Keep what makes the function of every model, by name; None for the simulated brain."""
    return {name: function_of(name) for name in MODELS}


rule review_images:
    """The responses of every model to every synthesised image, as the 8-bit file that it is."""
    input:
        unpack(files_of_models),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        perturbations=expand("results/synthesis/perturbations/{model}.parquet", model=MODELS),
        exciting=expand("results/synthesis/exciting/{model}.parquet", model=EXCITING_MAKERS),
        pictures=expand("results/synthesis/pictures/perturbations/{model}", model=MODELS),
        exciting_pictures=expand("results/synthesis/pictures/exciting/{model}", model=EXCITING_MAKERS),
        natural=expand("results/attacks/natural/{model}.parquet", model=MODELS),
    output:
        peer_review="results/synthesis/peer_review.parquet",
    log:
        "logs/review_images.log",
    benchmark:
        "results/benchmarks/review_images.tsv"
    priority: 10
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=mem(memory.review),
        runtime="4h",
    params:
        device=config["device"],
        image_size=config["image_size"],
        models=functions_of_models,
        code=code_of("review_images.py"),
    script:
        "../workflow/scripts/review_images.py"
