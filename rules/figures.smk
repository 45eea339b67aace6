"""Figures: every figure as PDF and PNG, and what it plots as CSV.

reads   results/networks.parquet (names, order, colours), tables of scores, predictions, readouts, representations,
        attacks and transfer, tables of axes and of their similarity, and for the examples the images
makes   results/figures/{figure}.pdf, .png and .csv   one set for each of FIGURES; the PNG goes into the report
"""


rule plot_predicted_vs_measured:
    """Predicted against measured responses of the group on held-out images, for two networks."""
    input:
        networks="results/networks.parquet",
        scores=expand("results/scores/{network}.parquet", network=NETWORKS),
        predictions=expand("results/predictions/{network}.parquet", network=NETWORKS),
    output:
        pdf="results/figures/predicted_vs_measured.pdf",
        png=report(
            "results/figures/predicted_vs_measured.png",
            caption="../docs/captions/predicted_vs_measured.rst",
            category="Figures",
        ),
        csv="results/figures/predicted_vs_measured.csv",
    log:
        "logs/plot_predicted_vs_measured.log",
    benchmark:
        "results/benchmarks/plot_predicted_vs_measured.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        code=code_of("plot_predicted_vs_measured.py"),
    script:
        "../workflow/scripts/plot_predicted_vs_measured.py"


rule plot_predictivity_vs_accuracy:
    """How well each network does its own task against how well it predicts a region."""
    input:
        networks="results/networks.parquet",
        scores=expand("results/scores/{network}.parquet", network=NETWORKS),
    output:
        pdf="results/figures/predictivity_vs_accuracy.pdf",
        png=report(
            "results/figures/predictivity_vs_accuracy.png",
            caption="../docs/captions/predictivity_vs_accuracy.rst",
            category="Figures",
        ),
        csv="results/figures/predictivity_vs_accuracy.csv",
    log:
        "logs/plot_predictivity_vs_accuracy.log",
    benchmark:
        "results/benchmarks/plot_predictivity_vs_accuracy.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        code=code_of("plot_predictivity_vs_accuracy.py"),
    script:
        "../workflow/scripts/plot_predictivity_vs_accuracy.py"


rule plot_predictivity_vs_sensitivity:
    """How well each network predicts a region against how far an attack moves its prediction."""
    input:
        networks="results/networks.parquet",
        scores=expand("results/scores/{network}.parquet", network=NETWORKS),
        attacks=expand("results/attacks/{model}.parquet", model=MODELS),
    output:
        pdf="results/figures/predictivity_vs_sensitivity.pdf",
        png=report(
            "results/figures/predictivity_vs_sensitivity.png",
            caption="../docs/captions/predictivity_vs_sensitivity.rst",
            category="Figures",
        ),
        csv="results/figures/predictivity_vs_sensitivity.csv",
    log:
        "logs/plot_predictivity_vs_sensitivity.log",
    benchmark:
        "results/benchmarks/plot_predictivity_vs_sensitivity.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        code=code_of("plot_predictivity_vs_sensitivity.py"),
    script:
        "../workflow/scripts/plot_predictivity_vs_sensitivity.py"


rule plot_sensitivity_vs_representation:
    """Statistics of the layer that a region reads against how far an attack moves the prediction."""
    input:
        networks="results/networks.parquet",
        attacks=expand("results/attacks/{network}.parquet", network=NETWORKS),
        readouts=expand("results/readouts/{network}.parquet", network=NETWORKS),
        representations=expand("results/representations/{network}.parquet", network=NETWORKS),
    output:
        pdf="results/figures/sensitivity_vs_representation.pdf",
        png=report(
            "results/figures/sensitivity_vs_representation.png",
            caption="../docs/captions/sensitivity_vs_representation.rst",
            category="Figures",
        ),
        csv="results/figures/sensitivity_vs_representation.csv",
    log:
        "logs/plot_sensitivity_vs_representation.log",
    benchmark:
        "results/benchmarks/plot_sensitivity_vs_representation.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        code=code_of("plot_sensitivity_vs_representation.py"),
    script:
        "../workflow/scripts/plot_sensitivity_vs_representation.py"


rule plot_attack_effects:
    """Effects of attacks on their own network and on the others, and of random noise."""
    input:
        networks="results/networks.parquet",
        transfer=expand("results/transfer/{model}.parquet", model=MODELS),
    output:
        pdf="results/figures/attack_effects.pdf",
        png=report(
            "results/figures/attack_effects.png",
            caption="../docs/captions/attack_effects.rst",
            category="Figures",
        ),
        csv="results/figures/attack_effects.csv",
    log:
        "logs/plot_attack_effects.log",
    benchmark:
        "results/benchmarks/plot_attack_effects.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        bootstrap=config["effects"]["bootstrap"],
        seed=config["seed"],
        code=code_of("plot_attack_effects.py"),
    script:
        "../workflow/scripts/plot_attack_effects.py"


rule plot_transfer_matrix:
    """Effect of every model's attacks on every other model."""
    input:
        networks="results/networks.parquet",
        transfer=expand("results/transfer/{model}.parquet", model=MODELS),
    output:
        pdf="results/figures/transfer_matrix.pdf",
        png=report(
            "results/figures/transfer_matrix.png",
            caption="../docs/captions/transfer_matrix.rst",
            category="Figures",
        ),
        csv="results/figures/transfer_matrix.csv",
    log:
        "logs/plot_transfer_matrix.log",
    benchmark:
        "results/benchmarks/plot_transfer_matrix.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        code=code_of("plot_transfer_matrix.py"),
    script:
        "../workflow/scripts/plot_transfer_matrix.py"


rule plot_similarity_matrix:
    """Similarity of the leading coding axes of every two models."""
    input:
        networks="results/networks.parquet",
        similarity="results/similarity.parquet",
    output:
        pdf="results/figures/similarity_matrix.pdf",
        png=report(
            "results/figures/similarity_matrix.png",
            caption="../docs/captions/similarity_matrix.rst",
            category="Figures",
        ),
        csv="results/figures/similarity_matrix.csv",
    log:
        "logs/plot_similarity_matrix.log",
    benchmark:
        "results/benchmarks/plot_similarity_matrix.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        code=code_of("plot_similarity_matrix.py"),
    script:
        "../workflow/scripts/plot_similarity_matrix.py"


rule plot_similarity_levels:
    """Similarity of axes on the same image, on different images, and of random axes."""
    input:
        networks="results/networks.parquet",
        similarity_means="results/similarity_means.parquet",
    output:
        pdf="results/figures/similarity_levels.pdf",
        png=report(
            "results/figures/similarity_levels.png",
            caption="../docs/captions/similarity_levels.rst",
            category="Figures",
        ),
        csv="results/figures/similarity_levels.csv",
    log:
        "logs/plot_similarity_levels.log",
    benchmark:
        "results/benchmarks/plot_similarity_levels.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        code=code_of("plot_similarity_levels.py"),
    script:
        "../workflow/scripts/plot_similarity_levels.py"


rule plot_axes:
    """Spatial frequencies of each model's axes, how many there are, and how much of its attacks they hold."""
    input:
        networks="results/networks.parquet",
        profiles="results/profiles.parquet",
        alignment="results/alignment.parquet",
        jacobians=expand("results/jacobians/{model}.parquet", model=MODELS),
    output:
        pdf="results/figures/axes.pdf",
        png=report(
            "results/figures/axes.png",
            caption="../docs/captions/axes.rst",
            category="Figures",
        ),
        csv="results/figures/axes.csv",
    log:
        "logs/plot_axes.log",
    benchmark:
        "results/benchmarks/plot_axes.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        code=code_of("plot_axes.py"),
    script:
        "../workflow/scripts/plot_axes.py"


rule plot_example_perturbations:
    """One probe image and its perturbations for a standard network, a robust one and the brain."""
    input:
        networks="results/networks.parquet",
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        attacks=expand("results/attacks/{model}.parquet", model=MODELS),
    output:
        pdf="results/figures/example_perturbations.pdf",
        png=report(
            "results/figures/example_perturbations.png",
            caption="../docs/captions/example_perturbations.rst",
            category="Figures",
        ),
        csv="results/figures/example_perturbations.csv",
    log:
        "logs/plot_example_perturbations.log",
    benchmark:
        "results/benchmarks/plot_example_perturbations.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        image_size=config["image_size"],
        code=code_of("plot_example_perturbations.py"),
    script:
        "../workflow/scripts/plot_example_perturbations.py"


rule plot_agreement:
    """Agreement of each network's gradients, axes and attacks with those of the simulated brain."""
    input:
        networks="results/networks.parquet",
        similarity="results/similarity.parquet",
        transfer=expand("results/transfer/{model}.parquet", model=MODELS),
    output:
        pdf="results/figures/agreement.pdf",
        png=report(
            "results/figures/agreement.png",
            caption="../docs/captions/agreement.rst",
            category="Figures",
        ),
        csv="results/figures/agreement.csv",
    log:
        "logs/plot_agreement.log",
    benchmark:
        "results/benchmarks/plot_agreement.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem="2GB",
        runtime="10m",
    params:
        bootstrap=config["effects"]["bootstrap"],
        seed=config["seed"],
        code=code_of("plot_agreement.py"),
    script:
        "../workflow/scripts/plot_agreement.py"
