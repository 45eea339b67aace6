"""Readouts: linear maps from features to responses, and how well they predict held-out images.

reads   results/nsd, results/features/{network}.parquet
makes   results/readouts/targets.parquet                      one row per region mean: units and noise ceiling
        results/readouts/measurements.parquet                 one row per region mean and image
        results/readouts/readouts/{network}.parquet           one row per target: layer, penalty, weights
        results/readouts/bases/{network}.parquet              directions of feature space that weights refer to
        results/readouts/components/{network}.parquet         principal components of the features that are read
        results/readouts/layer_scores/{network}.parquet       one row per region mean and candidate layer
        results/readouts/scores/{network}.parquet             one row per target: r with its interval and ceiling
        results/readouts/split_scores/{network}.parquet       one row per region mean and random split: r on other images
        results/readouts/predictions/{network}.parquet        one row per region mean and test image
        results/readouts/cross_subject/{network}.parquet      one row per region and pair of subjects
        results/readouts/representations/{network}.parquet    one row per candidate layer: what its features are like
"""

# All settings of readouts but how often they are fitted again: another number fits none of them anew.
FITTING = {name: value for name, value in config["readouts"].items() if name != "refits"}


rule average_regions:
    """Region means of each subject and of the group, in SD of the training images."""
    input:
        stimuli="results/nsd/stimuli.parquet",
        voxels=expand("results/nsd/voxels/{subject}.parquet", subject=SUBJECTS),
        responses=expand("results/nsd/responses/{subject}.parquet", subject=SUBJECTS),
        regions=expand("results/nsd/regions/{subject}.parquet", subject=SUBJECTS),
    output:
        targets="results/readouts/targets.parquet",
        measurements="results/readouts/measurements.parquet",
    log:
        "logs/average_regions.log",
    benchmark:
        "results/benchmarks/average_regions.tsv"
    priority: 20
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.average),
        runtime="10m",
    params:
        code=code_of("average_regions.py"),
    script:
        "../workflow/scripts/average_regions.py"


rule fit_readouts:
    """Linear readouts of one network for every voxel, every subject's region means and the group's."""
    input:
        stimuli="results/nsd/stimuli.parquet",
        voxels=expand("results/nsd/voxels/{subject}.parquet", subject=SUBJECTS),
        responses=expand("results/nsd/responses/{subject}.parquet", subject=SUBJECTS),
        targets="results/readouts/targets.parquet",
        measurements="results/readouts/measurements.parquet",
        features="results/features/{network}.parquet",
    output:
        readouts="results/readouts/readouts/{network}.parquet",
        bases="results/readouts/bases/{network}.parquet",
        components="results/readouts/components/{network}.parquet",
        layer_scores="results/readouts/layer_scores/{network}.parquet",
        scores="results/readouts/scores/{network}.parquet",
        split_scores="results/readouts/split_scores/{network}.parquet",
        predictions="results/readouts/predictions/{network}.parquet",
        cross_subject="results/readouts/cross_subject/{network}.parquet",
        representations="results/readouts/representations/{network}.parquet",
    log:
        "logs/fit_readouts/{network}.log",
    benchmark:
        "results/benchmarks/fit_readouts/{network}.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem_of_row(memory.fit),
        runtime="2h",
    params:
        **FITTING,
        seed=config["seed"],
        code=code_of("fit_readouts.py"),
    script:
        "../workflow/scripts/fit_readouts.py"
