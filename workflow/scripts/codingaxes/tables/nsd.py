"""Declare the tables of stimuli and measured responses."""

from codingaxes.tables.columns import IMAGE, ROI, SUBJECT, Column, Table

STIMULI = Table(
    "stimuli",
    "one row per image that every subject saw (in NSD three times)",
    ("image_id",),
    {
        "image_id": IMAGE,
        "nsd_id": Column("int32", "", "0-based id among the images of NSD; own data: the row"),
        "file": Column("string", "", "PNG file, relative to the folder of the workflow"),
        "sha256": Column("string", "", "digest of that file, no two the same; compared whenever it is read"),
        "split": Column("string", "", "train or test; readouts never see test"),
        "probe": Column("bool", "", "test image that is attacked and differentiated"),
    },
)

SESSIONS = Table(
    "sessions",
    "one row per voxel of the atlases in one session: what is kept of a file of betas",
    ("subject", "session", "i", "j", "k"),
    {
        "subject": SUBJECT,
        "session": Column("int32", "", "from 1, as in NSD"),
        "i": Column("int32", "voxel", "first axis of the NIfTI volume, from 0"),
        "j": Column("int32", "voxel", "second axis, from 0"),
        "k": Column("int32", "voxel", "third axis, from 0"),
        "beta": Column("list[int16]", "% signal change x 300", "as stored by NSD, one number per trial"),
    },
)

VOXELS = Table(
    "voxels",
    "one row per voxel of the regions of interest",
    ("subject", "voxel_id"),
    {
        "subject": SUBJECT,
        "voxel_id": Column("int32", "", "position in the response vector of the subject, from 0"),
        "roi": ROI,
        "name": Column("string", "", "own data: as it is called there; NSD: empty"),
        "hemisphere": Column("string", "", "lh or rh; own data: empty"),
        "i": Column("int32", "voxel", "first axis of the NIfTI volume, from 0; own data: -1"),
        "j": Column("int32", "voxel", "second axis, from 0; own data: -1"),
        "k": Column("int32", "voxel", "third axis, from 0; own data: -1"),
        "mean": Column("float64", "% signal change or own", "over trials of a session, mean over sessions"),
        "sd": Column("float64", "% signal change or own", "SD over those trials, mean over sessions"),
        "ncsnr": Column(
            "float64",
            "",
            "noise ceiling signal-to-noise ratio, recomputed from repetitions; missing without any",
            missing=True,
        ),
        "ncsnr_file": Column("float64", "", "the same as NSD's own file gives it", missing=True),
        "noise_ceiling": Column(
            "float64", "explained variance, 0 to 1", "of the responses table, by ncsnr", missing=True
        ),
    },
)

T_THRESHOLDS = Table(
    "t_thresholds",
    "one row per subject, region and threshold of its contrast: how many voxels lie above it",
    ("subject", "roi", "min_t"),
    {
        "subject": SUBJECT,
        "roi": ROI,
        "min_t": Column("float64", "t", "voxels lie above it; missing: whatever their t is", missing=True),
        "chosen": Column("bool", "", "whether it is the threshold of the study, nsd.min_t"),
        "n_voxels": Column("int32", "voxels", "in the brain, above nsd.min_ncsnr and above the threshold"),
        "ncsnr": Column(
            "float64",
            "",
            "of those voxels, median of NSD's own file; missing if none is known",
            missing=True,
        ),
    },
)

RESPONSES = Table(
    "responses",
    "one row per subject and image: the mean over its repetitions",
    ("subject", "image_id"),
    {
        "subject": SUBJECT,
        "image_id": IMAGE,
        "repeats": Column("int32", "trials", "trials averaged"),
        "response": Column("list[float64]", "z, per voxel and session", "one number per voxel_id"),
    },
)

REGIONS = Table(
    "regions",
    "one row per subject and region: trial noise of the mean over its voxels",
    ("subject", "roi"),
    {
        "subject": SUBJECT,
        "roi": ROI,
        "n_voxels": Column("int32", "voxels", "voxels averaged; 0: the subject lacks the region"),
        "noise_sd": Column(
            "float64",
            "z, per voxel and session",
            "SD of one trial about its image's mean; missing without repetitions",
            missing=True,
        ),
        "repeats": Column(
            "float64", "trials", "that the responses table averages, harmonic mean over its images"
        ),
    },
)
