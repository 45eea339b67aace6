"""Attacks: image perturbations that change a model's predicted response the most, and what to compare them with.

reads   results/nsd/stimuli.parquet and images, a network with its readouts or the simulated brain
makes   results/attacks/random.parquet        white noise of the same sizes, one row per size, draw and probe image
        results/attacks/{model}.parquet       the strongest of a size: a row per region, direction, radius, probe
        results/variants/{model}.parquet      in another norm, by other algorithms, large, with a wanted effect
        results/sensitivity/{model}.parquet   what attacks and controls of their size do to the model itself
"""


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
        linf_radii=config["attacks"]["linf_radii"],
        large_radii=config["attacks"]["large_radii"],
        draws=config["attacks"]["draws"],
        image_size=config["image_size"],
        seed=config["seed"],
        code=code_of("draw_random_controls.py"),
    script:
        "../workflow/scripts/draw_random_controls.py"


rule attack_images:
    """The strongest perturbations of one model's responses, up and down, and controls of their sizes."""
    input:
        unpack(parts_of_model),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        noise="results/attacks/random.parquet",
    output:
        perturbations="results/attacks/{model}.parquet",
        variants="results/variants/{model}.parquet",
        sensitivity="results/sensitivity/{model}.parquet",
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
        seed=config["seed"],
        networks=networks_of_model,
        code=code_of("attack_images.py"),
    script:
        "../workflow/scripts/attack_images.py"
