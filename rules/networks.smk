"""Networks: a zoo that is shipped, and trained again on demand; or pretrained ones whose weights are fetched.

reads   config/zoo.tsv or config/networks.tsv
        resources/zoo/{network}.safetensors, .json    shipped weights, each with the record of its training
makes   results/networks/scenes.npz                   if zoo.retrain: scenes to train and test on, never the stimuli
        results/networks/trained/{network}.*          if zoo.retrain: weights and records, as those that are shipped
        resources/weights/{network}.safetensors       weights that were fetched, and verified; beside them whence
        results/networks/accuracies/{network}.parquet what the fetched files say of them
        results/networks/networks.parquet and .csv    one row per network: training and accuracies
        results/networks/checks/{network}.parquet     on demand: what a network is and can do
        results/networks/checks.csv                   the same of all networks
"""

from codingaxes import times, writing
from codingaxes.stamps import stamp_of

FETCHED = [name for name in NETWORKS if name not in ZOO]


onstart:
    # before the first job: the terms of NSD, all that downloads need and this machine lacks, and the clock
    jobs = list(workflow.dag.needrun_jobs())
    fetched = [ROWS[job.wildcards.network] for job in jobs if job.rule.name == "fetch_weights"]
    # a cluster's nodes have other GPUs than the machine that submits, or that only downloads
    runs_networks = workflow.local_exec and any(job.resources.get("gpu") for job in jobs)
    with_conda = "conda" in str(workflow.deployment_settings.deployment_method).lower()
    lacks = requirements.missing(
        [] if config["random_weights"] else fetched,
        installed=None if with_conda else requirements.is_installed,
        free=requirements.free_disk(),
        gpu=requirements.gpu_memory() if runs_networks else None,
        sessions=sum(job.rule.name == "download_session" for job in jobs),
        form=config["nsd"]["format"],
    )
    try:
        configuration.check_terms(config, any(job.rule.name.startswith("download_") for job in jobs))
    except configuration.ConfigurationError as error:
        raise WorkflowError(str(error)) from None
    if lacks:
        raise WorkflowError("the study needs what is not here:\n  " + "\n  ".join(lacks))
    if ahead := times.what_is_ahead(
        file for job in workflow.dag.jobs for file in (*job.input, *job.output)
    ):
        raise WorkflowError(ahead)
    # no other job of this folder runs: Snakemake has locked it
    writing.sweep(*times.OWN)


def training_of(wildcards):
    """Keep of a row what makes a trained network of the zoo."""
    row = ROWS[wildcards.network]
    return configuration.function_of(row) | {
        key: row[key] for key in ("architecture", "training_radius", "seed")
    }


def weights_row_of(wildcards):
    """Keep of a row what makes the weights of a pretrained network, and stamp its files on this machine."""
    row = ROWS[wildcards.network]
    stamps = [stamp_of(file) for file in files_of_weights(wildcards)]
    about = configuration.function_of(row) | {key: row.get(key, "") for key in ("weights", "format")}
    return about | ({"stamps": stamps} if stamps else {})


def files_of_weights(wildcards):
    """List the files on this machine that a network's weights are made of."""
    return configuration.files_of_row(ROWS[wildcards.network], code=CODE)


def sha256_of(wildcards, output):
    """Give the digests that the weights must have; not watched, since a download was verified when it came."""
    return ROWS[wildcards.network].get("sha256", "")


def draws_weights(wildcards):
    """Tell whether the weights of a network are drawn at random."""
    return requirements.draws_weights(ROWS[wildcards.network], config)


def seed_of_weights(wildcards):
    """Give the seed of random weights; None where none are drawn, so that another seed fetches nothing again."""
    return config["seed"] if draws_weights(wildcards) else None


def weights_to_check(wildcards):
    """Name the weights of a network; none where random ones are asked for."""
    return [] if config["random_weights"] else [weights_of(wildcards)]


rule render_scenes:
    """Fresh scenes for training and for measuring accuracy."""
    output:
        scenes="results/networks/scenes.npz",
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
        seed=config["zoo"]["seed"],
        image_size=config["image_size"],
        train_images=config["zoo"]["train_images"],
        test_images=config["zoo"]["test_images"],
        code=code_of("render_scenes.py"),
    script:
        "../workflow/scripts/render_scenes.py"


rule train_network:
    """Train one network from its own initial weights, on clean or on l2-adversarial scenes."""
    input:
        scenes="results/networks/scenes.npz",
    output:
        weights="results/networks/trained/{network}.safetensors",
        record="results/networks/trained/{network}.json",
    log:
        "logs/train_network/{network}.log",
    benchmark:
        "results/benchmarks/train_network/{network}.tsv"
    wildcard_constraints:
        network="|".join(ZOO) or "none",
    priority: 10
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="2h",
    params:
        seed=config["zoo"]["seed"],
        network=training_of,
        zoo=config["zoo"],
        image_size=config["image_size"],
        code=code_of("train_network.py"),
    script:
        "../workflow/scripts/train_network.py"


rule fetch_weights:
    """Download, verify and convert the weights of one network; the only rule here that needs the internet.

    The weights of a network of the family untrained are drawn instead. Without a digest of its code: an edited function shall not fetch gigabytes again.
    """
    input:
        files=files_of_weights,
    output:
        weights="resources/weights/{network}.safetensors",
        record="resources/weights/{network}.json",
        accuracies="results/networks/accuracies/{network}.parquet",
    log:
        "logs/fetch_weights/{network}.log",
    benchmark:
        "results/benchmarks/fetch_weights/{network}.tsv"
    wildcard_constraints:
        network="|".join(FETCHED) or "none",
    # before the sessions of NSD: a row that is wrong stops the run before a hundred gigabytes
    priority: 25
    conda:
        TORCH
    threads: 1
    resources:
        downloads=1,
        mem=mem_of_row(memory.fetch),
        disk="20GB",
        runtime="4h",
    params:
        seed=seed_of_weights,
        network=weights_row_of,
        random_weights=draws_weights,
        hub=unwatched(config["hub"]),
        sha256=sha256_of,
    script:
        "../workflow/scripts/fetch_weights.py"


rule check_network:
    """Build one network, show it one image and differentiate it both ways."""
    input:
        weights=weights_to_check,
    output:
        check="results/networks/checks/{network}.parquet",
    log:
        "logs/check_network/{network}.log",
    benchmark:
        "results/benchmarks/check_network/{network}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        mem=mem_of_row(memory.load),
        runtime="1h",
    params:
        seed=config["seed"],
        network=function_of_network,
        image_size=config["image_size"],
        random_weights=draws_weights,
        code=code_of("check_network.py"),
    script:
        "../workflow/scripts/check_network.py"


rule collect_checks:
    """One table of what all networks are and can do."""
    input:
        checks=expand("results/networks/checks/{network}.parquet", network=NETWORKS),
    output:
        csv="results/networks/checks.csv",
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
        records=[f"{weights_folder(network)}/{network}.json" for network in NETWORKS if network in ZOO],
        accuracies=expand("results/networks/accuracies/{network}.parquet", network=FETCHED),
    output:
        networks="results/networks/networks.parquet",
        csv=report(
            "results/networks/networks.csv", caption="../docs/captions/networks.rst", category="Numbers"
        ),
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
        rows=[ROWS[network] for network in NETWORKS],
        code=code_of("collect_networks.py"),
    script:
        "../workflow/scripts/collect_networks.py"
