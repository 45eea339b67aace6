"""Attacks: small image perturbations that change a model's predicted response the most.

reads   results/nsd/stimuli.parquet and images, a network with its readouts or the simulated brain
makes   results/attacks/{model}.parquet    one row per region, direction, radius and probe image
        results/attacks/random.parquet     noise of the same sizes, one row per radius and probe image
"""


rule attack_images:
    """The strongest l2 perturbations of one model's group responses, up and down, at each radius."""
    input:
        unpack(parts_of_model),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
    output:
        perturbations="results/attacks/{model}.parquet",
    log:
        "logs/attack_images/{model}.log",
    benchmark:
        "results/benchmarks/attack_images/{model}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=MODEL_MEMORY,
        runtime="4h",
    params:
        **config["attacks"],
        device=config["device"],
        image_size=config["image_size"],
        networks=networks_of_model,
        code=code_of("attack_images.py"),
    script:
        "../workflow/scripts/attack_images.py"


rule draw_random_controls:
    """White noise of the same sizes as the attacks."""
    input:
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
    output:
        perturbations="results/attacks/random.parquet",
    log:
        "logs/draw_random_controls.log",
    benchmark:
        "results/benchmarks/draw_random_controls.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        radii=config["attacks"]["radii"],
        image_size=config["image_size"],
        seed=config["seed"],
        code=code_of("draw_random_controls.py"),
    script:
        "../workflow/scripts/draw_random_controls.py"
