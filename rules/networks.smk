"""Networks: a zoo trained on the spot on fresh scenes, or pretrained ones whose weights are fetched.

reads   config/zoo.tsv or config/networks.tsv
makes   resources/zoo/scenes.npz                     scenes to train and test on, never the stimuli
        resources/zoo/{network}.safetensors          weights that were trained here
        resources/weights/{network}.safetensors      weights that were fetched, and verified; beside them whence
        results/accuracies/{network}.parquet         what was measured then
        results/networks.parquet, networks.csv       one row per network: training and accuracies
        results/network_checks.csv                   on demand: what each network is and can do
"""


rule render_scenes:
    """Fresh scenes for training and for measuring accuracy."""
    output:
        scenes="resources/zoo/scenes.npz",
    log:
        "logs/render_scenes.log",
    benchmark:
        "results/benchmarks/render_scenes.tsv"
    priority: 30
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem="1GB",
        runtime="10m",
    params:
        seed=config["seed"],
        image_size=config["image_size"],
        train_images=config["zoo"]["train_images"],
        test_images=config["zoo"]["test_images"],
        code=code_of("render_scenes.py"),
    script:
        "../workflow/scripts/render_scenes.py"


rule train_network:
    """Train one network from its own initial weights, on clean or on l2-adversarial scenes."""
    input:
        scenes="resources/zoo/scenes.npz",
    output:
        weights="resources/zoo/{network}.safetensors",
        accuracies="results/accuracies/{network}.parquet",
    log:
        "logs/train_network/{network}.log",
    benchmark:
        "results/benchmarks/train_network/{network}.tsv"
    wildcard_constraints:
        network="|".join(TRAINED) or "none",
    priority: 10
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="30m",
    params:
        seed=config["seed"],
        network=training_of,
        zoo=config["zoo"],
        code=code_of("train_network.py"),
    script:
        "../workflow/scripts/train_network.py"


rule fetch_weights:
    """Download, verify and convert the weights of one network; the only rule here that needs the internet.

    Without a digest of its code: an edited function shall not fetch gigabytes again.
    """
    input:
        files=files_of_weights,
    output:
        weights="resources/weights/{network}.safetensors",
        record="resources/weights/{network}.json",
        accuracies="results/accuracies/{network}.parquet",
    log:
        "logs/fetch_weights/{network}.log",
    benchmark:
        "results/benchmarks/fetch_weights/{network}.tsv"
    wildcard_constraints:
        network="|".join(FETCHED) or "none",
    priority: 10
    conda:
        TORCH
    threads: 1
    resources:
        transfers=1,
        mem=MODEL_MEMORY,
        disk="20GB",
        runtime="4h",
    params:
        seed=config["seed"] if config["random_weights"] else None,
        network=weights_row_of,
        random_weights=config["random_weights"],
    script:
        "../workflow/scripts/fetch_weights.py"


rule check_network:
    """Build one network, show it one image and differentiate it both ways."""
    input:
        weights=weights_to_check,
    output:
        check="results/network_checks/{network}.parquet",
    log:
        "logs/check_network/{network}.log",
    benchmark:
        "results/benchmarks/check_network/{network}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        mem=MODEL_MEMORY,
        runtime="1h",
    params:
        seed=config["seed"],
        network=network_of,
        image_size=config["image_size"],
        random_weights=config["random_weights"],
        code=code_of("check_network.py"),
    script:
        "../workflow/scripts/check_network.py"


rule collect_checks:
    """One table of what all networks are and can do."""
    input:
        checks=expand("results/network_checks/{network}.parquet", network=NETWORKS),
    output:
        csv="results/network_checks.csv",
    log:
        "logs/collect_checks.log",
    benchmark:
        "results/benchmarks/collect_checks.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="1GB",
        runtime="10m",
    params:
        code=code_of("collect_checks.py"),
    script:
        "../workflow/scripts/collect_checks.py"


rule collect_networks:
    """One table of all networks: how they were trained, and how well they do their own task."""
    input:
        accuracies=expand("results/accuracies/{network}.parquet", network=NETWORKS),
    output:
        networks="results/networks.parquet",
        csv=report("results/networks.csv", caption="../docs/captions/networks.rst", category="Numbers"),
    log:
        "logs/collect_networks.log",
    benchmark:
        "results/benchmarks/collect_networks.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="1GB",
        runtime="10m",
    params:
        rows=list(ZOO.values()),
        code=code_of("collect_networks.py"),
    script:
        "../workflow/scripts/collect_networks.py"
