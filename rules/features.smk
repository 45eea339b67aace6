"""Features: what each candidate layer of a network answers to each stimulus.

reads   results/nsd/stimuli.parquet, resources/zoo/{network}.safetensors or resources/weights/{network}.safetensors
makes   results/features/{network}.parquet   one row per layer and image
"""


rule extract_features:
    """Features of all candidate layers of one network."""
    input:
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        weights=weights_of,
    output:
        features="results/features/{network}.parquet",
    log:
        "logs/extract_features/{network}.log",
    benchmark:
        "results/benchmarks/extract_features/{network}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=mem_of_row(memory.extract),
        runtime="1h",
    params:
        device=config["device"],
        image_size=config["image_size"],
        network=function_of_network,
        code=code_of("extract_features.py"),
    script:
        "../workflow/scripts/extract_features.py"
