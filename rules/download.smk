"""Download what the study needs of NSD over HTTPS; each file is verified before it gets its name.

reads   nsd.endpoint, a server with the layout of NSD's bucket
makes   resources/nsd/                                     the design, shared images, masks, maps, behaviour
        results/nsd/sessions/{subject}/{session}.parquet   one row per voxel of the atlases

These rules carry no digest of their code, and the address of the server does not count either. What they
fetch is verified and does not depend on how, and a changed function must not fetch a hundred gigabytes again.
"""

# Sessions are cut to these atlases, so that another choice of regions in them fetches nothing again.
STORED = sorted({"floc-bodies", "floc-faces", "floc-places", *ATLASES})
# What `snakemake fetch` asks for: a file of each download.
DOWNLOADED = [
    NSD.design,
    NSD.stimuli,
    *expand(NSD.brainmask("{subject}"), subject=SUBJECTS),
    *expand(SESSION, subject=SUBJECTS, session=NEEDED),
]


rule download_design:
    """Download the design: which image each subject saw in each trial."""
    output:
        design=NSD.design,
    log:
        "logs/download_design.log",
    benchmark:
        "results/benchmarks/download_design.tsv"
    priority: 20
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        downloads=1,
        mem="1GB",
        runtime="30m",
    params:
        endpoint=unwatched(config["nsd"]["endpoint"]),
    script:
        "../workflow/scripts/download_design.py"


rule download_stimuli:
    """Download the shared images that every subject saw, by the design: half a gigabyte at most."""
    input:
        design=NSD.design,
    output:
        stimuli=directory(NSD.stimuli),
    log:
        "logs/download_stimuli.log",
    benchmark:
        "results/benchmarks/download_stimuli.tsv"
    priority: 20
    conda:
        "../envs/data.yaml"
    threads: 4
    resources:
        downloads=1,
        mem="1GB",
        disk="2GB",
        runtime="2h",
    params:
        endpoint=unwatched(config["nsd"]["endpoint"]),
        sessions=SESSIONS,
        trials_per_session=config["nsd"]["trials_per_session"],
        repeats=config["nsd"]["repeats"],
    script:
        "../workflow/scripts/download_stimuli.py"


rule download_anatomy:
    """Download one subject's regions, the reliability of its voxels, and what it did in each trial."""
    output:
        atlases=[NSD.atlas("{subject}", atlas) for atlas in STORED],
        left=[NSD.atlas("{subject}", atlas, "lh") for atlas in STORED],
        labels=[NSD.labels("{subject}", atlas) for atlas in STORED],
        tmaps=[NSD.tmap("{subject}", contrast) for contrast in CONTRASTS],
        brainmask=NSD.brainmask("{subject}"),
        ncsnr=NSD.ncsnr("{subject}"),
        behaviour=NSD.behaviour("{subject}"),
    log:
        "logs/download_anatomy/{subject}.log",
    benchmark:
        "results/benchmarks/download_anatomy/{subject}.tsv"
    priority: 20
    conda:
        "../envs/data.yaml"
    threads: 4
    resources:
        downloads=1,
        mem="1GB",
        disk="1GB",
        runtime="1h",
    params:
        endpoint=unwatched(config["nsd"]["endpoint"]),
    script:
        "../workflow/scripts/download_anatomy.py"


rule download_session:
    """Download one session of one subject, keep the voxels of the atlases, and delete the rest.

    The job itself deletes it: a file marked temp() would stay where it is asked for, or with --until.
    """
    input:
        # new masks of the same atlases do not fetch again, another atlas does
        atlases=ancient([NSD.atlas("{subject}", atlas) for atlas in STORED]),
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
        downloads=1,
        mem="2GB",
        disk="3GB",
        runtime="2h",
    params:
        endpoint=unwatched(config["nsd"]["endpoint"]),
        betas=NSD.session("{subject}", "{session}"),
        trials_per_session=config["nsd"]["trials_per_session"],
    script:
        "../workflow/scripts/download_session.py"
