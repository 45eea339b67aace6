"""What a column and a table are declared as, the names that tables share, and columns that several have."""

from dataclasses import dataclass

# Names that stand in columns beside those of networks and subjects.
BRAIN = "simulated_brain"
GROUP = "group"


@dataclass(frozen=True)
class Column:
    """One column: its type (see `tables`), its unit and what it means."""

    type: str
    unit: str
    meaning: str
    missing: bool = False  # whether NaN or null may stand in it


@dataclass(frozen=True)
class Table:
    """A declared table: the columns that identify a row, and all columns by name."""

    meaning: str
    key: tuple
    columns: dict


NETWORK = Column("string", "", "name of a network of the zoo, or simulated_brain")
SUBJECT = Column(
    "string", "", "subject, as in NSD (subj01 ...) or own data, or group: the mean over subjects"
)
ROI = Column("string", "", "region of interest, by its name in the configuration: FFA, EBA, PPA")
IMAGE = Column(
    "string",
    "",
    "stimulus: nsd_ and the 0-based id among the images of NSD; of own data its file without suffix",
)
TARGET = Column("string", "", "mean (of the region) or the number of a voxel")
DIRECTION = Column("string", "", "increase or decrease of the predicted response; none: a random control")
RESPONSE = Column(
    "string",
    "",
    "what is differentiated: group (the mean of a region over subjects), subjects (the mean of each), voxels "
    "(of all subjects), joint (voxels of all regions), features (of the layers that are read)",
)
REGION = Column("string", "", "region of interest, or all: of joint and features")
LAYER = Column("string", "", "named module of the network")
SCORE = {
    "r": Column("float64", "Pearson r", "predicted against measured, test images", missing=True),
    "ci_low": Column("float64", "Pearson r", "95% interval, bootstrap over images", missing=True),
    "ci_high": Column("float64", "Pearson r", "95% interval, bootstrap over images", missing=True),
    "ceiling": Column(
        "float64", "Pearson r", "largest r that noise of what is predicted allows", missing=True
    ),
    "r_over_ceiling": Column("float64", "ratio", "r relative to the ceiling", missing=True),
    "n_test": Column("int32", "images", "images that r is computed on"),
}
K = Column("int32", "axes", "dimension of the subspaces: the k leading axes")
RADIUS = Column("float64", "l2 norm, pixels in [0, 1]", "largest size that was allowed")
SIZE = Column("float64", "l2 norm, pixels in [0, 1]", "size of the perturbation as it is stored")
