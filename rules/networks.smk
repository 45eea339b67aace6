"""Networks: the zoo, trained on the spot on fresh scenes.

reads   config/networks.tsv
makes   resources/zoo/scenes.npz                     scenes to train and test on, never the stimuli
        resources/zoo/{network}.safetensors          weights
        results/networks.parquet, networks.csv       one row per network: training and accuracies
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
        network="results/networks/{network}.parquet",
    log:
        "logs/train_network/{network}.log",
    benchmark:
        "results/benchmarks/train_network/{network}.tsv"
    priority: 10
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="30m",
    params:
        seed=config["seed"],
        network=row_of,
        zoo=config["zoo"],
        code=code_of("train_network.py"),
    script:
        "../workflow/scripts/train_network.py"


rule collect_networks:
    """One table of all networks with their clean and adversarial accuracy."""
    input:
        networks=expand("results/networks/{network}.parquet", network=NETWORKS),
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
        code=code_of("collect_networks.py"),
    script:
        "../workflow/scripts/collect_networks.py"
