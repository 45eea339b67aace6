"""Stimulus sets: images that an experiment can show, what every model predicts of them, and which teach most.

reads   config/stimulus_sets, held-out images, makers, every model, natural responses, axes
makes   results/candidates/{set}/                  stimuli, predictions, ranks and power of a set, as tables
        results/stimulus_sets/{set}/               the folder that a laboratory can use
"""

from codingaxes.names import DISTORTIONS

# Keys of a design that make its images; others make no image anew.
MAKING = ("seed", "images", "directions", "match", "effects", "levels", "controls")
MAKING += ("steps", "limit", "tolerance", "batch_size")


def making_of(wildcards):
    """Give the part of a design that makes its images."""
    return {key: DESIGNS[wildcards.set][key] for key in MAKING}


def makers_of_set(wildcards):
    """Give what makes the function of each maker of a set; of principal distortions, all networks have a part."""
    return {
        role: {"name": name, "network": None if name == DISTORTIONS else function_of(name)}
        for role, name in SET_MAKERS[wildcards.set].items()
    }


def files_of_makers(wildcards):
    """Name the files of the makers of a set, as the inputs {role}.{part}, and the axes that distortions need."""
    files = {}
    for role, name in SET_MAKERS[wildcards.set].items():
        if name == DISTORTIONS:
            for kind in ("eigenvectors", "jacobians"):
                files |= {
                    f"{kind}.{network}": f"results/axes/{kind}/{network}.parquet" for network in NETWORKS
                }
            continue
        files |= {f"{role}.{part}": file for part, file in model_files(name).items()}
        files[f"{role}.natural"] = f"results/attacks/natural/{name}.parquet"
    return files


def mem_of_set(estimate, every=True):
    """Ask for the memory of a job by the images of its set: all, or those that are made for a maker."""

    def resource(wildcards, attempt):
        design = DESIGNS[wildcards.set]
        sizes = sum(len(design[key]) for key in ("radii", "effects", "levels"))
        images = max(design["images"]["number"], len(design["images"]["list"]))
        places = images * STUDY.regions * len(design["directions"]) * sizes
        made = places * len(design["makers"])
        # controls of each, natural images, and what stands once for all makers
        images = made * (1 + len(design["controls"])) + 3 * places if every else made
        return f"{attempt * estimate(STUDY, images)}MB"

    return resource


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


rule rank_stimuli:
    """Rank the stimuli of a set by what they tell about the right family, and try that on known truths."""
    input:
        networks="results/networks/networks.parquet",
        regions=expand("results/nsd/regions/{subject}.parquet", subject=SUBJECTS),
        targets="results/readouts/targets.parquet",
        stimuli="results/candidates/{set}/stimuli.parquet",
        predictions="results/candidates/{set}/predictions.parquet",
        refits="results/candidates/{set}/refits.parquet",
    output:
        ranking="results/candidates/{set}/ranking.parquet",
        curves="results/candidates/{set}/curves.parquet",
    log:
        "logs/rank_stimuli/{set}.log",
    benchmark:
        "results/benchmarks/rank_stimuli/{set}.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem_of_set(memory.rank, every=False),
        runtime="4h",
    params:
        compare=of_design("compare"),
        choose=of_design("choose"),
        number=of_design("number"),
        experiment=of_design("experiment"),
        brain_family=ROWS[BRAIN_NETWORK]["family"] if BRAIN_NETWORK else "",
        seed=config["seed"],
        code=code_of("rank_stimuli.py"),
    script:
        "../workflow/scripts/rank_stimuli.py"


rule plan_experiment:
    """The smallest experiment that finds the predicted difference, tried on the simulated brain."""
    input:
        networks="results/networks/networks.parquet",
        regions=expand("results/nsd/regions/{subject}.parquet", subject=SUBJECTS),
        targets="results/readouts/targets.parquet",
        stimuli="results/candidates/{set}/stimuli.parquet",
        ranking="results/candidates/{set}/ranking.parquet",
        predictions="results/candidates/{set}/predictions.parquet",
    output:
        power="results/candidates/{set}/power.parquet",
        experiments="results/candidates/{set}/experiments.parquet",
    log:
        "logs/plan_experiment/{set}.log",
    benchmark:
        "results/benchmarks/plan_experiment/{set}.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="1GB",
        runtime="1h",
    params:
        compare=of_design("compare"),
        experiment=of_design("experiment"),
        seed=config["seed"],
        code=code_of("plan_experiment.py"),
    script:
        "../workflow/scripts/plan_experiment.py"


rule export_stimulus_set:
    """The folder of one stimulus set, measured again as the 8-bit files that it holds."""
    input:
        stimuli="results/candidates/{set}/stimuli.parquet",
        pictures="results/candidates/{set}/pictures",
        perturbations="results/candidates/{set}/perturbations.safetensors",
        predictions="results/candidates/{set}/predictions.parquet",
        ranking="results/candidates/{set}/ranking.parquet",
        curves="results/candidates/{set}/curves.parquet",
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
        mem=mem_of_set(memory.export),
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
        mem=mem_of_set(memory.check),
        runtime="30m",
    params:
        code=code_of("check_stimulus_set.py"),
    script:
        "../workflow/scripts/check_stimulus_set.py"
