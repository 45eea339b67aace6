"""Import data of your own: images and responses enter the tables that NSD enters.

reads   the folder own.images and the file own.responses
makes   results/nsd/stimuli.parquet               one row per image that every subject saw
        results/nsd/images/                       those images at the study's size
        results/nsd/voxels/{subject}.parquet      one row per voxel, electrode or unit
        results/nsd/responses/{subject}.parquet   one row per image
        results/nsd/regions/{subject}.parquet     one row per region
"""

from codingaxes.nsd import pictures


rule import_responses:
    """Import images and responses of your own into the tables that NSD enters."""
    input:
        responses=config["own"]["responses"],
        # the time of a folder also changes with a file that is no image; `stamp` has the images'
        images=ancient(config["own"]["images"]),
    output:
        stimuli="results/nsd/stimuli.parquet",
        images=directory("results/nsd/images"),
        voxels=expand("results/nsd/voxels/{subject}.parquet", subject=SUBJECTS),
        responses=expand("results/nsd/responses/{subject}.parquet", subject=SUBJECTS),
        regions=expand("results/nsd/regions/{subject}.parquet", subject=SUBJECTS),
    log:
        "logs/import_responses.log",
    benchmark:
        "results/benchmarks/import_responses.tsv"
    priority: 20
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem="8GB",
        runtime="1h",
    params:
        seed=config["seed"],
        image_size=config["image_size"],
        test_fraction=config["nsd"]["test_fraction"],
        probes=config["nsd"]["probes"],
        subjects=SUBJECTS,
        regions=config["own"]["regions"],
        stamp=pictures.stamp(config["own"]["images"]),
        code=code_of("import_responses.py"),
    script:
        "../workflow/scripts/import_responses.py"
