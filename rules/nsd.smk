"""NSD: from files in NSD's own layout to stimuli, voxels and responses.

reads   resources/miniature (made here), resources/nsd (downloaded), or the folder nsd.folder in place
makes   results/nsd/stimuli.parquet               one row per image that every subject saw three times
        results/nsd/images/                       those images at the study's size
        results/nsd/voxels/{subject}.parquet      one row per voxel of the regions
        results/nsd/responses/{subject}.parquet   one row per image
        results/nsd/regions/{subject}.parquet     one row per region
"""

if SOURCE == "nsd":

    include: "download.smk"


if SOURCE == "miniature":

    rule simulate_nsd:
        """A simulated brain, and its responses to procedural scenes in NSD's own files."""
        output:
            design=DESIGN,
            stimuli=directory(STIMULI),
            behaviour=expand(BEHAVIOUR, subject=SUBJECTS),
            brainmask=expand(f"{ANATOMY}/brainmask.nii.gz", subject=SUBJECTS),
            atlases=expand(f"{ANATOMY}/roi/{{atlas}}.nii.gz", subject=SUBJECTS, atlas=ATLASES),
            left=expand(f"{ANATOMY}/roi/lh.{{atlas}}.nii.gz", subject=SUBJECTS, atlas=ATLASES),
            right=expand(f"{ANATOMY}/roi/rh.{{atlas}}.nii.gz", subject=SUBJECTS, atlas=ATLASES),
            tmaps=expand(f"{ANATOMY}/floc_{{contrast}}tval.nii.gz", subject=SUBJECTS, contrast=CONTRASTS),
            labels=expand(f"{LABELS}/{{atlas}}.mgz.ctab", subject=SUBJECTS, atlas=ATLASES),
            betas=[
                f"{BETAS}/betas_session{session:02d}.{SUFFIX}".format(subject=subject)
                for subject in SUBJECTS
                for session in range(1, SESSIONS[subject] + 1)
            ],
            ncsnr=expand(f"{BETAS}/ncsnr.nii.gz", subject=SUBJECTS),
            brain="resources/simulated_brain.npz",
        log:
            "logs/simulate_nsd.log",
        benchmark:
            "results/benchmarks/simulate_nsd.tsv"
        priority: 20
        conda:
            "../envs/torch.yaml"
        threads: 1
        resources:
            mem="2GB",
            runtime="10m",
        params:
            seed=config["seed"],
            image_size=config["image_size"],
            simulation=config["simulation"],
            space=config["nsd"]["space"],
            betas=config["nsd"]["betas"],
            format=SUFFIX,
            contrasts={region["atlas"]: region["contrast"] for region in REGIONS},
            sessions=SESSIONS,
            trials_per_session=config["nsd"]["trials_per_session"],
            repeats=config["nsd"]["repeats"],
            code=code_of("simulate_nsd.py"),
        script:
            "../workflow/scripts/simulate_nsd.py"


rule prepare_stimuli:
    """The images that every subject saw three times, derived from the design, and their split."""
    input:
        design=DESIGN,
        stimuli=STIMULI,
    output:
        stimuli="results/nsd/stimuli.parquet",
        images=directory("results/nsd/images"),
    log:
        "logs/prepare_stimuli.log",
    benchmark:
        "results/benchmarks/prepare_stimuli.tsv"
    priority: 20
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem="1GB",
        runtime="10m",
    params:
        seed=config["seed"],
        image_size=config["image_size"],
        sessions=SESSIONS,
        trials_per_session=config["nsd"]["trials_per_session"],
        repeats=config["nsd"]["repeats"],
        images_sha256=config["nsd"]["images_sha256"],
        test_fraction=config["nsd"]["test_fraction"],
        probes=config["nsd"]["probes"],
        code=code_of("prepare_stimuli.py"),
    script:
        "../workflow/scripts/prepare_stimuli.py"


rule prepare_responses:
    """Responses of one subject's regions: z-scored per voxel and session, repetitions averaged."""
    input:
        design=DESIGN,
        stimuli="results/nsd/stimuli.parquet",
        atlases=expand(f"{ANATOMY}/roi/{{atlas}}.nii.gz", atlas=ATLASES, allow_missing=True),
        left=expand(f"{ANATOMY}/roi/lh.{{atlas}}.nii.gz", atlas=ATLASES, allow_missing=True),
        labels=expand(f"{LABELS}/{{atlas}}.mgz.ctab", atlas=ATLASES, allow_missing=True),
        brainmask=f"{ANATOMY}/brainmask.nii.gz",
        tmaps=expand(f"{ANATOMY}/floc_{{contrast}}tval.nii.gz", contrast=T_MAPS, allow_missing=True),
        behaviour=behaviour_of,
        betas=expand(SESSION, session=range(1, NEEDED + 1), allow_missing=True),
        ncsnr=f"{BETAS}/ncsnr.nii.gz",
    output:
        voxels="results/nsd/voxels/{subject}.parquet",
        responses="results/nsd/responses/{subject}.parquet",
        regions="results/nsd/regions/{subject}.parquet",
    log:
        "logs/prepare_responses/{subject}.log",
    benchmark:
        "results/benchmarks/prepare_responses/{subject}.tsv"
    priority: 20
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem="4GB",
        runtime="2h",
    params:
        regions=config["nsd"]["regions"],
        min_t=config["nsd"]["min_t"],
        min_ncsnr=config["nsd"]["min_ncsnr"],
        trials_per_session=config["nsd"]["trials_per_session"],
        repeats=config["nsd"]["repeats"],
        code=code_of("prepare_responses.py"),
    script:
        "../workflow/scripts/prepare_responses.py"
