"""NSD: from files in NSD's own layout to stimuli, voxels and responses.

reads   resources/miniature (made here), resources/nsd (downloaded), or the folder nsd.folder in place
        the weights of simulation.network, if the brain that is simulated is a network
makes   results/nsd/stimuli.parquet               one row per image that every subject saw three times
        results/nsd/images/                       those images at the study's size
        results/nsd/voxels/{subject}.parquet      one row per voxel of the regions
        results/nsd/responses/{subject}.parquet   one row per image
        results/nsd/regions/{subject}.parquet     one row per region
        results/nsd/t_thresholds/{subject}.parquet  one row per region and threshold of t: how many voxels
"""

from codingaxes.nsd.layout import Layout
from codingaxes.stamps import stamp_of

LOCAL = str(Path(config["nsd"]["folder"]).expanduser())
NSD = Layout(
    root={"miniature": "resources/miniature", "nsd": "resources/nsd", "local": LOCAL}[SOURCE],
    space=config["nsd"]["space"],
    version=config["nsd"]["betas"],
    suffix=config["nsd"]["format"],
)
REGIONS = config["nsd"]["regions"].values()
ATLASES = sorted({region["atlas"] for region in REGIONS})
CONTRASTS = sorted({region["contrast"] for region in REGIONS})
T_MAPS = [] if config["nsd"]["min_t"] is None else CONTRASTS  # those that choose voxels
# All subjects share one order of trials: what all saw three times, they saw in sessions that all completed.
NEEDED = [f"{session:02d}" for session in range(1, min(SESSIONS.values()) + 1)]
SESSION = (  # cut to the voxels of the atlases as soon as it was downloaded, or whole and in its place
    "results/nsd/sessions/{subject}/{session}.parquet"
    if SOURCE == "nsd"
    else NSD.session("{subject}", "{session}")
)


def behaviour_of(wildcards):
    """Give the table of a subject's trials, which the design is compared with; a local copy may lack it."""
    file = NSD.behaviour(wildcards.subject)
    return [file] if SOURCE != "local" or Path(file).is_file() else []


def files_of_copy(subject):
    """List the files that a copy of NSD must have of a subject."""
    files = [NSD.brainmask(subject), NSD.ncsnr(subject)]
    files += [NSD.labels(subject, atlas) for atlas in ATLASES]
    files += [NSD.atlas(subject, atlas, *side) for atlas in ATLASES for side in ([], ["lh"])]
    files += [NSD.tmap(subject, contrast) for contrast in T_MAPS]
    return files + [NSD.session(subject, session) for session in NEEDED]


def stamps_of_copy(wildcards):
    """Stamp what a job reads of your copy of NSD, where an older file may take the place of another."""
    if SOURCE != "local":
        return []
    subject = wildcards.get("subject")
    files = [*files_of_copy(subject), NSD.behaviour(subject)] if subject else [NSD.stimuli]
    return [stamp_of(file) for file in [NSD.design, *files]]


# Snakemake plans no job whose outputs are there, even if its inputs are not: the copy is checked here.
if SOURCE == "local":
    needed = [NSD.design, NSD.stimuli] + [file for subject in SUBJECTS for file in files_of_copy(subject)]
    missing = [file for file in needed if not Path(file).exists()]
    if missing:
        raise WorkflowError(
            f"nsd.folder: {len(missing)} of {len(needed)} files of NSD are not in {LOCAL}; the first is {missing[0]}"
        )


if SOURCE == "nsd":

    include: "download.smk"


if SOURCE == "miniature":

    rule simulate_nsd:
        """Simulate a brain and write its responses to procedural scenes in NSD's own files."""
        input:
            weights=model_files(BRAIN_NETWORK)["weights"] if BRAIN_NETWORK else [],
        output:
            design=NSD.design,
            stimuli=directory(NSD.stimuli),
            behaviour=expand(NSD.behaviour("{subject}"), subject=SUBJECTS),
            brainmask=expand(NSD.brainmask("{subject}"), subject=SUBJECTS),
            atlases=expand(NSD.atlas("{subject}", "{atlas}"), subject=SUBJECTS, atlas=ATLASES),
            left=expand(NSD.atlas("{subject}", "{atlas}", "lh"), subject=SUBJECTS, atlas=ATLASES),
            right=expand(NSD.atlas("{subject}", "{atlas}", "rh"), subject=SUBJECTS, atlas=ATLASES),
            tmaps=expand(NSD.tmap("{subject}", "{contrast}"), subject=SUBJECTS, contrast=CONTRASTS),
            labels=expand(NSD.labels("{subject}", "{atlas}"), subject=SUBJECTS, atlas=ATLASES),
            betas=[
                NSD.session(subject, session)
                for subject in SUBJECTS
                for session in range(1, SESSIONS[subject] + 1)
            ],
            ncsnr=expand(NSD.ncsnr("{subject}"), subject=SUBJECTS),
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
            network=configuration.function_of(ROWS[BRAIN_NETWORK]) if BRAIN_NETWORK else None,
            space=config["nsd"]["space"],
            betas=config["nsd"]["betas"],
            format=config["nsd"]["format"],
            contrasts={region["atlas"]: region["contrast"] for region in REGIONS},
            sessions=SESSIONS,
            trials_per_session=config["nsd"]["trials_per_session"],
            repeats=config["nsd"]["repeats"],
            code=code_of("simulate_nsd.py"),
        script:
            "../workflow/scripts/simulate_nsd.py"


rule prepare_stimuli:
    """Save the images that every subject saw three times, by the design, and split them."""
    input:
        design=NSD.design,
        stimuli=NSD.stimuli,
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
        stamps=stamps_of_copy,
        code=code_of("prepare_stimuli.py"),
    script:
        "../workflow/scripts/prepare_stimuli.py"


rule prepare_responses:
    """Prepare the responses of one subject's regions: z-score each voxel and session, average repetitions."""
    input:
        **{f"atlas.{atlas}": NSD.atlas("{subject}", atlas) for atlas in ATLASES},
        **{f"left.{atlas}": NSD.atlas("{subject}", atlas, "lh") for atlas in ATLASES},
        **{f"labels.{atlas}": NSD.labels("{subject}", atlas) for atlas in ATLASES},
        **{f"tmap.{contrast}": NSD.tmap("{subject}", contrast) for contrast in T_MAPS},
        design=NSD.design,
        stimuli="results/nsd/stimuli.parquet",
        brainmask=NSD.brainmask("{subject}"),
        behaviour=behaviour_of,
        betas=expand(SESSION, session=NEEDED, allow_missing=True),
        ncsnr=NSD.ncsnr("{subject}"),
    output:
        voxels="results/nsd/voxels/{subject}.parquet",
        responses="results/nsd/responses/{subject}.parquet",
        regions="results/nsd/regions/{subject}.parquet",
        t_thresholds="results/nsd/t_thresholds/{subject}.parquet",
    log:
        "logs/prepare_responses/{subject}.log",
    benchmark:
        "results/benchmarks/prepare_responses/{subject}.tsv"
    priority: 20
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem=mem(memory.cut),
        runtime="2h",
    params:
        regions=config["nsd"]["regions"],
        min_t=config["nsd"]["min_t"],
        min_ncsnr=config["nsd"]["min_ncsnr"],
        trials_per_session=config["nsd"]["trials_per_session"],
        repeats=config["nsd"]["repeats"],
        stamps=stamps_of_copy,
        code=code_of("prepare_responses.py"),
    script:
        "../workflow/scripts/prepare_responses.py"
