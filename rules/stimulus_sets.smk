"""Stimulus sets: images that an experiment can show, what every model predicts of them, and which teach most.

reads   config/stimulus_sets, held-out images, makers, every model, natural responses, axes
makes   results/candidates/{set}/                  stimuli, predictions, ranks and power of a set, as tables
        results/stimulus_sets/{set}/               the folder that a laboratory can use
"""


wildcard_constraints:
    set="|".join(SETS) or "none",


# Keys of a design that make its images; others make no image anew.
MAKING = ("seed", "images", "directions", "match", "effects", "levels", "controls")
MAKING += ("steps", "limit", "tolerance", "batch_size")


def making_of(wildcards):
    """Give the part of a design that makes its images."""
    return {key: DESIGNS[wildcards.set][key] for key in MAKING}


def makers_of_set(wildcards):
    """Give what makes the function of each maker of a set; of principal distortions, all networks have a part."""
    return {
        role: {"name": name, "network": None if name == designs.DISTORTIONS else function_of(name)}
        for role, name in SET_MAKERS[wildcards.set].items()
    }


def files_of_makers(wildcards):
    """Name the files of the makers of a set, as the inputs {role}.{part}, and the axes that distortions need."""
    files = {}
    for role, name in SET_MAKERS[wildcards.set].items():
        if name == designs.DISTORTIONS:
            for kind in ("eigenvectors", "jacobians"):
                files |= {
                    f"{kind}.{network}": f"results/axes/{kind}/{network}.parquet" for network in NETWORKS
                }
            continue
        files |= {f"{role}.{part}": file for part, file in model_files(name).items()}
        files[f"{role}.natural"] = f"results/attacks/natural/{name}.parquet"
    return files


def value_for_set(values):
    """Give a job the value of its set."""

    def parameter(wildcards):
        return values[wildcards.set]

    return parameter


rule make_stimuli:
    """The images of a stimulus set: natural ones, perturbed ones and controls."""
    input:
        unpack(files_of_makers),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        measurements="results/readouts/measurements.parquet",
        chosen="results/synthesis/chosen_images.parquet",
    output:
        stimuli="results/candidates/{set}/stimuli.parquet",
        perturbations="results/candidates/{set}/perturbations.safetensors",
        pictures=directory("results/candidates/{set}/pictures"),
    log:
        "logs/make_stimuli/{set}.log",
    benchmark:
        "results/benchmarks/make_stimuli/{set}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=mem(memory.review),
        runtime="4h",
    params:
        design=making_of,
        makers=makers_of_set,
        regions=value_for_set(SET_REGIONS),
        radii=value_for_set(SET_RADII),
        precision=config["attacks"]["precision"],
        image_size=config["image_size"],
        device=config["device"],
        seed=config["seed"],
        code=code_of("make_stimuli.py"),
    script:
        "../workflow/scripts/make_stimuli.py"
