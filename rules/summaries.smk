"""Summaries: every number that a figure, a text or a claim shows, with its interval; each measure is defined once.

reads   tables of networks, readouts, attacks, transfer, axes, similarity and control
makes   results/summaries/sensitivities.parquet, .csv   one row per model, readout, region, radius and perturbation
        results/summaries/transfers.parquet, .csv       one row per attack, region, size, source and target
        results/summaries/transfer_asymmetry.parquet    one row per region: asymmetry of transfer, and of sensitivity
        results/summaries/fixed_effect.parquet          one row per wanted change, region and kind of pair
        results/summaries/transfer_controls.parquet, .csv   one row per control, region, source and target
        results/summaries/changes.parquet               one row per network, region, radius: own, transferred, noise
        results/summaries/sizes.parquet                 one row per model and region: size that a wanted change needs
        results/summaries/algorithms.parquet, .csv      transfer by other algorithms, beside the one that all else uses
        results/summaries/network_measures.parquet, .csv   one row per network and region: what networks are compared by
        results/summaries/network_correlations.parquet  one row per region and pair of those measures
        results/summaries/axes.parquet, spectra.parquet one row per model and region, or frequency
        results/summaries/similarity_levels.parquet     one row per kind of pair of models and level of chance
        results/summaries/similarity_clusters.parquet   one row per merger of models into clusters
        results/summaries/reliability.parquet            whether pairs keep their order on other images
        results/summaries/regression.parquet, .csv       what goes with similarity over pairs of networks
        results/summaries/predictors.parquet, .csv      which property of networks tells how far they drive the brain
        results/summaries/race_values.parquet           one row per outcome, region, property and network
        results/summaries/agreement.parquet             one row per network and region: agreement with the brain
        results/summaries/families.parquet, .csv        standard against robust networks by every measure, with verdicts
        results/summaries/predictivity.parquet, .csv    whether networks predict equally, and are as stable at equal r
        results/summaries/numbers.parquet, .csv, .txt   the numbers of the study
"""


rule summarise_sensitivity:
    """Median change of every prediction under its own attack and under each control, with intervals."""
    input:
        sensitivity=expand("results/attacks/sensitivity/{model}.parquet", model=MODELS),
        natural=expand("results/attacks/natural/{model}.parquet", model=MODELS),
        transfer=expand("results/transfer/perturbations/{model}.parquet", model=MODELS),
    output:
        sensitivities="results/summaries/sensitivities.parquet",
        csv="results/summaries/sensitivities.csv",
    log:
        "logs/summarise_sensitivity.log",
    benchmark:
        "results/benchmarks/summarise_sensitivity.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="1h",
    params:
        bootstrap=config["estimates"]["bootstrap"],
        seed=config["seed"],
        code=code_of("summarise_sensitivity.py"),
    script:
        "../workflow/scripts/summarise_sensitivity.py"


rule summarise_transfer:
    """Change of every target by every source's attacks: in SD, as a share of its own, beside the gradients."""
    input:
        networks="results/networks/networks.parquet",
        perturbations=expand("results/transfer/perturbations/{model}.parquet", model=MODELS),
        variants=expand("results/transfer/variants/{model}.parquet", model=MODELS),
        similarity="results/similarity/similarity.parquet",
    output:
        transfers="results/summaries/transfers.parquet",
        csv="results/summaries/transfers.csv",
        changes="results/summaries/changes.parquet",
        transfer_asymmetry="results/summaries/transfer_asymmetry.parquet",
        fixed_effect="results/summaries/fixed_effect.parquet",
    log:
        "logs/summarise_transfer.log",
    benchmark:
        "results/benchmarks/summarise_transfer.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="30m",
    params:
        bootstrap=config["estimates"]["bootstrap"],
        seed=config["seed"],
        code=code_of("summarise_transfer.py"),
    script:
        "../workflow/scripts/summarise_transfer.py"


rule summarise_transfer_controls:
    """Change of every target by controls of every source's main attacks, beside those attacks."""
    input:
        networks="results/networks/networks.parquet",
        perturbations=expand("results/transfer/perturbations/{model}.parquet", model=MODELS),
        controls=expand("results/transfer/controls/{model}.parquet", model=MODELS),
    output:
        transfer_controls="results/summaries/transfer_controls.parquet",
        csv="results/summaries/transfer_controls.csv",
    log:
        "logs/summarise_transfer_controls.log",
    benchmark:
        "results/benchmarks/summarise_transfer_controls.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="30m",
    params:
        bootstrap=config["estimates"]["bootstrap"],
        seed=config["seed"],
        code=code_of("summarise_transfer_controls.py"),
    script:
        "../workflow/scripts/summarise_transfer_controls.py"


rule summarise_sizes:
    """Size that each model needs for a wanted change, its largest change, and what white noise does."""
    input:
        variants=expand("results/attacks/variants/{model}.parquet", model=MODELS),
        transfers="results/summaries/transfers.parquet",
    output:
        sizes="results/summaries/sizes.parquet",
    log:
        "logs/summarise_sizes.log",
    benchmark:
        "results/benchmarks/summarise_sizes.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="10m",
    params:
        code=code_of("summarise_sizes.py"),
    script:
        "../workflow/scripts/summarise_sizes.py"


rule compare_algorithms:
    """Own change and transfer of attacks by other algorithms, on the same models and images."""
    input:
        networks="results/networks/networks.parquet",
        perturbations=expand("results/transfer/perturbations/{model}.parquet", model=MODELS),
        variants=expand("results/transfer/variants/{model}.parquet", model=MODELS),
    output:
        algorithms="results/summaries/algorithms.parquet",
        csv="results/summaries/algorithms.csv",
    log:
        "logs/compare_algorithms.log",
    benchmark:
        "results/benchmarks/compare_algorithms.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="30m",
    params:
        bootstrap=config["estimates"]["bootstrap"],
        seed=config["seed"],
        code=code_of("compare_algorithms.py"),
    script:
        "../workflow/scripts/compare_algorithms.py"


rule summarise_networks:
    """What networks are compared by: predictivity, accuracy, sensitivity, and what the layer that is read is like."""
    input:
        networks="results/networks/networks.parquet",
        scores=expand("results/readouts/scores/{network}.parquet", network=NETWORKS),
        split_scores=expand("results/readouts/split_scores/{network}.parquet", network=NETWORKS),
        readouts=expand("results/readouts/readouts/{network}.parquet", network=NETWORKS),
        representations=expand("results/readouts/representations/{network}.parquet", network=NETWORKS),
        sensitivities="results/summaries/sensitivities.parquet",
    output:
        network_measures="results/summaries/network_measures.parquet",
        csv="results/summaries/network_measures.csv",
        network_correlations="results/summaries/network_correlations.parquet",
    log:
        "logs/summarise_networks.log",
    benchmark:
        "results/benchmarks/summarise_networks.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="10m",
    params:
        permutations=config["estimates"]["permutations"],
        seed=config["seed"],
        code=code_of("summarise_networks.py"),
    script:
        "../workflow/scripts/summarise_networks.py"


rule summarise_axes:
    """Number of each model's axes, their frequencies, the attacks that they hold; what readouts inherit."""
    input:
        jacobians=expand("results/axes/jacobians/{model}.parquet", model=MODELS),
        inherited=expand("results/axes/inherited/{network}.parquet", network=NETWORKS),
        alignment="results/similarity/alignment.parquet",
        profiles="results/similarity/profiles.parquet",
    output:
        axes="results/summaries/axes.parquet",
        spectra="results/summaries/spectra.parquet",
    log:
        "logs/summarise_axes.log",
    benchmark:
        "results/benchmarks/summarise_axes.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="10m",
    params:
        code=code_of("summarise_axes.py"),
    script:
        "../workflow/scripts/summarise_axes.py"


rule summarise_similarity:
    """Similarity of axes over kinds of pairs of models, beside levels of chance, and clusters of models."""
    input:
        networks="results/networks/networks.parquet",
        similarity_means="results/similarity/similarity_means.parquet",
    output:
        similarity_levels="results/summaries/similarity_levels.parquet",
        similarity_clusters="results/summaries/similarity_clusters.parquet",
    log:
        "logs/summarise_similarity.log",
    benchmark:
        "results/benchmarks/summarise_similarity.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="10m",
    params:
        code=code_of("summarise_similarity.py"),
    script:
        "../workflow/scripts/summarise_similarity.py"


rule explain_similarity:
    """What goes with similarity over pairs of networks, and whether it is the same on other images."""
    input:
        networks="results/networks/networks.parquet",
        similarity="results/similarity/similarity.parquet",
        sensitivities="results/summaries/sensitivities.parquet",
    output:
        regression="results/summaries/regression.parquet",
        csv=report(
            "results/summaries/regression.csv",
            caption="../docs/captions/regression.rst",
            category="Numbers",
        ),
        reliability="results/summaries/reliability.parquet",
    log:
        "logs/explain_similarity.log",
    benchmark:
        "results/benchmarks/explain_similarity.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="1h",
    params:
        permutations=config["similarity"]["permutations"],
        splits=config["similarity"]["splits"],
        seed=config["seed"],
        code=code_of("explain_similarity.py"),
    script:
        "../workflow/scripts/explain_similarity.py"


rule summarise_agreement:
    """Agreement of each network's gradients, axes and attacks with those of the simulated brain."""
    input:
        similarity="results/similarity/similarity.parquet",
        transfer=expand("results/transfer/perturbations/{model}.parquet", model=MODELS),
    output:
        agreement="results/summaries/agreement.parquet",
    log:
        "logs/summarise_agreement.log",
    benchmark:
        "results/benchmarks/summarise_agreement.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="10m",
    params:
        bootstrap=config["estimates"]["bootstrap"],
        seed=config["seed"],
        code=code_of("summarise_agreement.py"),
    script:
        "../workflow/scripts/summarise_agreement.py"


rule race_predictors:
    """Race properties of networks, with the simulated brain as judge: which tells how well they drive it?"""
    input:
        networks="results/networks/networks.parquet",
        network_measures="results/summaries/network_measures.parquet",
        axes="results/summaries/axes.parquet",
        similarity_means="results/similarity/similarity_means.parquet",
        transfers="results/summaries/transfers.parquet",
        control_slopes="results/summaries/control_slopes.parquet",
    output:
        predictors="results/summaries/predictors.parquet",
        csv=report(
            "results/summaries/predictors.csv",
            caption="../docs/captions/predictors_table.rst",
            category="Numbers",
        ),
        race_values="results/summaries/race_values.parquet",
    log:
        "logs/race_predictors.log",
    benchmark:
        "results/benchmarks/race_predictors.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="10m",
    params:
        permutations=config["similarity"]["permutations"],
        seed=config["seed"],
        code=code_of("race_predictors.py"),
    script:
        "../workflow/scripts/race_predictors.py"


rule summarise_families:
    """Standard against robust networks by every measure: difference, interval over networks and images, test."""
    input:
        networks="results/networks/networks.parquet",
        perturbations=expand("results/transfer/perturbations/{model}.parquet", model=MODELS),
        variants=expand("results/transfer/variants/{model}.parquet", model=MODELS),
        natural=expand("results/attacks/natural/{network}.parquet", network=NETWORKS),
        similarity="results/similarity/similarity.parquet",
        predictions=expand("results/readouts/predictions/{network}.parquet", network=NETWORKS),
        targets="results/readouts/targets.parquet",
    output:
        families="results/summaries/families.parquet",
        csv=report(
            "results/summaries/families.csv", caption="../docs/captions/families.rst", category="Numbers"
        ),
    log:
        "logs/summarise_families.log",
    benchmark:
        "results/benchmarks/summarise_families.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="30m",
    params:
        permutations=config["estimates"]["permutations"],
        seed=config["seed"],
        code=code_of("summarise_families.py"),
    script:
        "../workflow/scripts/summarise_families.py"


rule summarise_predictivity:
    """Differences of r between networks and between families, and sensitivity at equal r."""
    input:
        networks="results/networks/networks.parquet",
        perturbations=expand("results/transfer/perturbations/{model}.parquet", model=MODELS),
        predictions=expand("results/readouts/predictions/{network}.parquet", network=NETWORKS),
        targets="results/readouts/targets.parquet",
    output:
        predictivity="results/summaries/predictivity.parquet",
        csv="results/summaries/predictivity.csv",
    log:
        "logs/summarise_predictivity.log",
    benchmark:
        "results/benchmarks/summarise_predictivity.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="30m",
    params:
        permutations=config["estimates"]["permutations"],
        seed=config["seed"],
        code=code_of("summarise_predictivity.py"),
    script:
        "../workflow/scripts/summarise_predictivity.py"


rule summarise_numbers:
    """The numbers of the study with intervals: sensitivity, transfer, similarity, agreement with the brain."""
    input:
        networks="results/networks/networks.parquet",
        perturbations=expand("results/transfer/perturbations/{model}.parquet", model=MODELS),
        variants=expand("results/transfer/variants/{model}.parquet", model=MODELS),
        sensitivity=expand("results/attacks/sensitivity/{model}.parquet", model=MODELS),
        similarity="results/similarity/similarity.parquet",
        similarity_means="results/similarity/similarity_means.parquet",
        families="results/summaries/families.parquet",
        predictivity="results/summaries/predictivity.parquet",
    output:
        numbers="results/summaries/numbers.parquet",
        csv=report(
            "results/summaries/numbers.csv", caption="../docs/captions/numbers.rst", category="Numbers"
        ),
        text="results/summaries/numbers.txt",
    log:
        "logs/summarise_numbers.log",
    benchmark:
        "results/benchmarks/summarise_numbers.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.summarise),
        runtime="30m",
    params:
        bootstrap=config["estimates"]["bootstrap"],
        seed=config["seed"],
        code=code_of("summarise_numbers.py"),
    script:
        "../workflow/scripts/summarise_numbers.py"
