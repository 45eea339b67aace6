"""Eigenvectors: the local coding axes of each model, and how similar those of different models are.

reads   results/nsd/stimuli.parquet and images, a network with its readouts or the simulated brain, its attacks
makes   results/eigenvectors/{model}.parquet    one row per kind of response, region, probe image and rank
        results/jacobians/{model}.parquet       one row per kind of response, region and probe image
        results/similarity.parquet              one row per pair of models, kind, region, probe image and k
        results/similarity_means.parquet        one row per pair of models, kind, region and k
        results/profiles.parquet                spatial frequencies of each model's axes
        results/alignment.parquet               how much of each attack the leading axes hold
        results/reliability.parquet, results/controls.parquet   over pairs of networks
"""


rule compute_eigenvectors:
    """Leading eigenvectors of JᵀJ, J: several kinds of responses by pixels; of one response, its gradient."""
    input:
        unpack(parts_of_model),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        voxels=expand("results/nsd/voxels/{subject}.parquet", subject=SUBJECTS),
    output:
        eigenvectors="results/eigenvectors/{model}.parquet",
        jacobians="results/jacobians/{model}.parquet",
    log:
        "logs/compute_eigenvectors/{model}.log",
    benchmark:
        "results/benchmarks/compute_eigenvectors/{model}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=MODEL_MEMORY,
        runtime="4h",
    params:
        **config["eigenvectors"],
        seed=config["seed"],
        device=config["device"],
        image_size=config["image_size"],
        networks=networks_of_model,
        code=code_of("compute_eigenvectors.py"),
    script:
        "../workflow/scripts/compute_eigenvectors.py"


rule compare_subspaces:
    """Similarity of the leading axes of every two models, their spectra, and the attacks inside their span."""
    input:
        stimuli="results/nsd/stimuli.parquet",
        eigenvectors=expand("results/eigenvectors/{model}.parquet", model=MODELS),
        jacobians=expand("results/jacobians/{model}.parquet", model=MODELS),
        attacks=expand("results/attacks/{model}.parquet", model=MODELS),
    output:
        similarity="results/similarity.parquet",
        similarity_means="results/similarity_means.parquet",
        profiles="results/profiles.parquet",
        alignment="results/alignment.parquet",
    log:
        "logs/compare_subspaces.log",
    benchmark:
        "results/benchmarks/compare_subspaces.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="16GB",
        runtime="2h",
    params:
        **config["similarity"],
        seed=config["seed"],
        image_size=config["image_size"],
        bootstrap=config["effects"]["bootstrap"],
        code=code_of("compare_subspaces.py"),
    script:
        "../workflow/scripts/compare_subspaces.py"


rule explain_similarity:
    """What goes with similarity over pairs of networks, and whether it is the same on other images."""
    input:
        networks="results/networks.parquet",
        similarity="results/similarity.parquet",
        attacks=expand("results/attacks/{network}.parquet", network=NETWORKS),
    output:
        controls="results/controls.parquet",
        csv=report("results/controls.csv", caption="../docs/captions/controls.rst", category="Numbers"),
        reliability="results/reliability.parquet",
    log:
        "logs/explain_similarity.log",
    benchmark:
        "results/benchmarks/explain_similarity.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="4GB",
        runtime="1h",
    params:
        permutations=config["similarity"]["permutations"],
        splits=config["similarity"]["splits"],
        seed=config["seed"],
        code=code_of("explain_similarity.py"),
    script:
        "../workflow/scripts/explain_similarity.py"


rule summarise_effects:
    """The numbers of the study with intervals: sensitivity, transfer, similarity, agreement with the brain."""
    input:
        networks="results/networks.parquet",
        transfer=expand("results/transfer/{model}.parquet", model=MODELS),
        variants=expand("results/transfer_variants/{model}.parquet", model=MODELS),
        sensitivity=expand("results/sensitivity/{model}.parquet", model=MODELS),
        similarity="results/similarity.parquet",
        similarity_means="results/similarity_means.parquet",
    output:
        effects="results/effects.parquet",
        csv=report("results/effects.csv", caption="../docs/captions/effects.rst", category="Numbers"),
        text="results/effects.txt",
    log:
        "logs/summarise_effects.log",
    benchmark:
        "results/benchmarks/summarise_effects.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="4GB",
        runtime="30m",
    params:
        bootstrap=config["effects"]["bootstrap"],
        seed=config["seed"],
        code=code_of("summarise_effects.py"),
    script:
        "../workflow/scripts/summarise_effects.py"
