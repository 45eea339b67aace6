"""Attacks: image perturbations that change a model's predicted response the most, and what to compare them with.

reads   results/nsd/stimuli.parquet and images, a network with its readouts or the simulated brain
makes   results/attacks/noise.parquet                   white noise of the same sizes, one row per size, draw and image
        results/attacks/perturbations/{model}.parquet   the strongest of a size: a row per region, direction, radius, image
        results/attacks/variants/{model}.parquet        in another norm, by other algorithms, large, with a wanted effect
        results/attacks/subjects/{model}.parquet        what attacks on each subject's own readout do to that readout
        results/attacks/sensitivity/{model}.parquet     what attacks and controls of their size do to the model itself
        results/attacks/natural/{model}.parquet         how the model's responses to all stimuli are spread
"""


rule draw_random_controls:
    """White noise of the same sizes as the attacks."""
    input:
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
    output:
        noise="results/attacks/noise.parquet",
    log:
        "logs/draw_random_controls.log",
    benchmark:
        "results/benchmarks/draw_random_controls.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem=mem(memory.draw),
        runtime="10m",
    params:
        radii=config["attacks"]["radii"],
        linf_radii=config["attacks"]["linf_radii"],
        large_radii=config["attacks"]["large_radii"],
        draws=config["controls"]["draws"],
        image_size=config["image_size"],
        seed=config["seed"],
        code=code_of("draw_random_controls.py"),
    script:
        "../workflow/scripts/draw_random_controls.py"


rule attack_images:
    """The strongest and the smallest perturbations of one model's responses, up and down."""
    input:
        unpack(files_of_model),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
    output:
        perturbations="results/attacks/perturbations/{model}.parquet",
        variants="results/attacks/variants/{model}.parquet",
        subjects="results/attacks/subjects/{model}.parquet",
    log:
        "logs/attack_images/{model}.log",
    benchmark:
        "results/benchmarks/attack_images/{model}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=mem_of_row(memory.search, config["attacks"]["batch_size"]),
        runtime="4h",
    params:
        **config["attacks"],
        device=config["device"],
        image_size=config["image_size"],
        seed=config["seed"],
        network=function_of_model,
        code=code_of("attack_images.py"),
    script:
        "../workflow/scripts/attack_images.py"


rule measure_sensitivity:
    """Response changes of one model under its attacks and controls, and its responses to natural images."""
    input:
        unpack(files_of_model),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        perturbations="results/attacks/perturbations/{model}.parquet",
        variants="results/attacks/variants/{model}.parquet",
        subjects="results/attacks/subjects/{model}.parquet",
        noise="results/attacks/noise.parquet",
    output:
        sensitivity="results/attacks/sensitivity/{model}.parquet",
        natural="results/attacks/natural/{model}.parquet",
    log:
        "logs/measure_sensitivity/{model}.log",
    benchmark:
        "results/benchmarks/measure_sensitivity/{model}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=mem_of_row(memory.measure),
        runtime="1h",
    params:
        draws=config["controls"]["draws"],
        device=config["device"],
        image_size=config["image_size"],
        seed=config["seed"],
        network=function_of_model,
        code=code_of("measure_sensitivity.py"),
    script:
        "../workflow/scripts/measure_sensitivity.py"
