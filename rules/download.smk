"""Download: what the study needs of NSD, over HTTPS, each file verified before it gets its name.

reads   nsd.endpoint, a server with the layout of NSD's bucket
makes   resources/nsd/                                     the design, shared images, masks, maps, behaviour
        results/nsd/sessions/{subject}/{session}.parquet   one row per voxel of the atlases

What comes is verified and does not depend on how it is fetched: these rules carry no digest of their code,
lest a changed function, or a column of a table elsewhere, fetch a hundred gigabytes again.
"""


rule download_design:
    """Which image each subject saw in each trial."""
    output:
        design=DESIGN,
    log:
        "logs/download_design.log",
    benchmark:
        "results/benchmarks/download_design.tsv"
    priority: 20
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        transfers=1,
        mem="1GB",
        runtime="30m",
    script:
        "../workflow/scripts/download_design.py"


rule download_stimuli:
    """The shared images that every subject saw, derived from the design: half a gigabyte at most."""
    input:
        design=DESIGN,
    output:
        stimuli=directory(STIMULI),
    log:
        "logs/download_stimuli.log",
    benchmark:
        "results/benchmarks/download_stimuli.tsv"
    priority: 20
    conda:
        "../envs/data.yaml"
    threads: 4
    resources:
        transfers=1,
        mem="1GB",
        disk="2GB",
        runtime="2h",
    params:
        sessions=SESSIONS,
        trials_per_session=config["nsd"]["trials_per_session"],
        repeats=config["nsd"]["repeats"],
    script:
        "../workflow/scripts/download_stimuli.py"


rule download_anatomy:
    """Where the regions of one subject lie, how reliable its voxels are, and what it did in each trial."""
    output:
        atlases=expand(f"{ANATOMY}/roi/{{atlas}}.nii.gz", atlas=STORED, allow_missing=True),
        left=expand(f"{ANATOMY}/roi/lh.{{atlas}}.nii.gz", atlas=STORED, allow_missing=True),
        labels=expand(f"{LABELS}/{{atlas}}.mgz.ctab", atlas=STORED, allow_missing=True),
        brainmask=f"{ANATOMY}/brainmask.nii.gz",
        tmaps=expand(f"{ANATOMY}/floc_{{contrast}}tval.nii.gz", contrast=CONTRASTS, allow_missing=True),
        ncsnr=f"{BETAS}/ncsnr.nii.gz",
        behaviour=BEHAVIOUR,
    log:
        "logs/download_anatomy/{subject}.log",
    benchmark:
        "results/benchmarks/download_anatomy/{subject}.tsv"
    priority: 20
    conda:
        "../envs/data.yaml"
    threads: 4
    resources:
        transfers=1,
        mem="1GB",
        disk="1GB",
        runtime="1h",
    script:
        "../workflow/scripts/download_anatomy.py"


rule download_session:
    """One session of one subject: fetched, cut to the voxels of the atlases, and deleted again by the job.

    No output says temp(), since Snakemake keeps such files where they are asked for or with --until.
    """
    input:
        # new masks of the same atlases do not fetch again, another atlas does
        atlases=ancient(expand(f"{ANATOMY}/roi/{{atlas}}.nii.gz", atlas=STORED, allow_missing=True)),
    output:
        session="results/nsd/sessions/{subject}/{session}.parquet",
    log:
        "logs/download_session/{subject}/{session}.log",
    benchmark:
        "results/benchmarks/download_session/{subject}/{session}.tsv"
    priority: 20
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        transfers=1,
        mem="2GB",
        disk="3GB",
        runtime="2h",
    params:
        betas=f"{BETAS}/betas_session{{session}}.{SUFFIX}",
        trials_per_session=config["nsd"]["trials_per_session"],
    script:
        "../workflow/scripts/download_session.py"
