"""Features: what each candidate layer of a network answers to each stimulus.

reads   results/nsd/stimuli.parquet, resources/zoo/{network}.safetensors
makes   results/features/{network}.parquet   one row per layer and image
"""


rule extract_features:
    """Features of all candidate layers of one network."""
    input:
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        weights="resources/zoo/{network}.safetensors",
    output:
        features="results/features/{network}.parquet",
    log:
        "logs/extract_features/{network}.log",
    benchmark:
        "results/benchmarks/extract_features/{network}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem="4GB",
        runtime="1h",
    params:
        device=config["device"],
        image_size=config["image_size"],
        network=row_of,
        code=code_of("extract_features.py"),
    script:
        "../workflow/scripts/extract_features.py"
