"""Tables: every Parquet file of the workflow has one declared schema, and `read` and `write` hold it to that.

A cell that is a vector (a feature, an image perturbation) is an Arrow list; it has a fixed size in the
file whenever all rows of the file have the same length.
"""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

# Names that stand in columns beside those of networks and subjects.
BRAIN = "simulated_brain"
GROUP = "group"

LISTS = {"list[float16]": "float16", "list[float32]": "float32", "list[float64]": "float64"}
SCALARS = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "float64": pa.float64(),
}


@dataclass(frozen=True)
class Column:
    """One column: its type (a name of `SCALARS` or `LISTS`), its unit and what it means."""

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
SUBJECT = Column("string", "", "subject, as in NSD (subj01 ...), or group: the mean over subjects")
ROI = Column("string", "", "region of interest: FFA, EBA or PPA")
IMAGE = Column("string", "", "stimulus: nsd_ and the 0-based id among the images of NSD")
TARGET = Column("string", "", "mean (of the region) or the number of a voxel")
DIRECTION = Column("string", "", "increase or decrease of the predicted response; none: a random control")
RADIUS = Column("float64", "l2 norm, pixels in [0, 1]", "largest size that was allowed")
SIZE = Column("float64", "l2 norm, pixels in [0, 1]", "size of the perturbation as it is stored")

TABLES = {
    "stimuli": Table(
        "one row per image that every subject saw three times",
        ("image_id",),
        {
            "image_id": IMAGE,
            "nsd_id": Column("int32", "", "0-based id among all images of NSD"),
            "file": Column("string", "", "PNG file, relative to the folder of the workflow"),
            "sha256": Column("string", "", "digest of that file"),
            "split": Column("string", "", "train or test; readouts never see test"),
            "probe": Column("bool", "", "test image that is attacked and differentiated"),
        },
    ),
    "voxels": Table(
        "one row per voxel of the regions of interest",
        ("subject", "voxel_id"),
        {
            "subject": SUBJECT,
            "voxel_id": Column("int32", "", "position in the response vector of the subject, from 0"),
            "roi": ROI,
            "i": Column("int32", "voxel", "first axis of the NIfTI volume, from 0"),
            "j": Column("int32", "voxel", "second axis, from 0"),
            "k": Column("int32", "voxel", "third axis, from 0"),
            "mean": Column("float64", "% signal change", "over the trials of a session, mean over sessions"),
            "sd": Column("float64", "% signal change", "SD over the trials of a session, mean over sessions"),
            "ncsnr": Column("float64", "", "noise ceiling signal-to-noise ratio, recomputed from the trials"),
            "noise_ceiling": Column("float64", "explained variance, 0 to 1", "for the mean of three trials"),
        },
    ),
    "responses": Table(
        "one row per subject and image: the mean over its repetitions",
        ("subject", "image_id"),
        {
            "subject": SUBJECT,
            "image_id": IMAGE,
            "repeats": Column("int32", "trials", "trials averaged"),
            "response": Column("list[float64]", "z, per voxel and session", "one number per voxel_id"),
        },
    ),
    "regions": Table(
        "one row per subject and region: trial noise of the mean over its voxels",
        ("subject", "roi"),
        {
            "subject": SUBJECT,
            "roi": ROI,
            "n_voxels": Column("int32", "voxels", "voxels averaged"),
            "noise_sd": Column("float64", "z, per voxel and session", "SD of one trial about its image's mean"),
            "repeats": Column("int32", "trials", "trials that the responses table averages"),
        },
    ),
    "targets": Table(
        "one row per region mean to be predicted, of each subject and of the group",
        ("subject", "roi"),
        {
            "subject": SUBJECT,
            "roi": ROI,
            "mean": Column("float64", "z, per voxel and session", "subtracted: mean over training images"),
            "sd": Column("float64", "z, per voxel and session", "divided by: SD over training images"),
            "ceiling": Column("float64", "Pearson r", "largest r with the measured mean that noise allows"),
        },
    ),
    "measurements": Table(
        "one row per region mean and image, in SD of the training images",
        ("subject", "roi", "image_id"),
        {
            "subject": SUBJECT,
            "roi": ROI,
            "image_id": IMAGE,
            "value": Column("float64", "SD over training images", "measured response of the region"),
        },
    ),
    "networks": Table(
        "one row per network: how it was trained and how well it does its own task",
        ("network",),
        {
            "network": NETWORK,
            "display_name": Column("string", "", "name in figures"),
            "family": Column("string", "", "standard or robust"),
            "architecture": Column("string", "", "class of the network"),
            "training_radius": Column("float64", "l2 norm, pixels in [0, 1]", "of adversarial training; 0: none"),
            "seed": Column("int32", "", "seed of the initial weights and of the order of images"),
            "parameters": Column("int32", "", "trained numbers"),
            "accuracy": Column("float64", "0 to 1; 0.5 by chance", "balanced, mean over categories, fresh scenes"),
            "adversarial_accuracy": Column("float64", "0 to 1", "the same under an l2 attack on its loss"),
            "attack_radius": Column("float64", "l2 norm, pixels in [0, 1]", "of that attack"),
            "n_images": Column("int32", "images", "fresh scenes that were classified"),
        },
    ),
    "features": Table(
        "one row per layer and image",
        ("network", "layer", "image_id"),
        {
            "network": NETWORK,
            "layer": Column("string", "", "named module of the network"),
            "image_id": IMAGE,
            "feature": Column("list[float32]", "", "output of the layer, flattened"),
        },
    ),
    "readouts": Table(
        "one row per target: response = weight . feature + intercept",
        ("network", "subject", "roi", "target"),
        {
            "network": NETWORK,
            "subject": SUBJECT,
            "roi": ROI,
            "target": TARGET,
            "layer": Column("string", "", "layer that predicts the group mean of the region best in training"),
            "alpha": Column("float64", "", "ridge penalty on standardised features"),
            "alpha_at_edge": Column("bool", "", "alpha is the smallest or the largest of the grid"),
            "intercept": Column("float64", "target's unit", "prediction for a feature of zeros"),
            "weight": Column("list[float32]", "target's unit per feature unit", "standardisation folded in"),
        },
    ),
    "layer_scores": Table(
        "one row per candidate layer and region: the choice of the layer inside the training images",
        ("network", "roi", "layer"),
        {
            "network": NETWORK,
            "roi": ROI,
            "layer": Column("string", "", "named module of the network"),
            "error": Column("float64", "variance of the target", "leave-one-out mean squared error, group mean"),
            "chosen": Column("bool", "", "smallest error of the region"),
        },
    ),
    "scores": Table(
        "one row per target: how well it is predicted on held-out images",
        ("network", "subject", "roi", "target"),
        {
            "network": NETWORK,
            "subject": SUBJECT,
            "roi": ROI,
            "target": TARGET,
            "r": Column("float64", "Pearson r", "predicted against measured, test images", missing=True),
            "ci_low": Column("float64", "Pearson r", "95% interval, bootstrap over images", missing=True),
            "ci_high": Column("float64", "Pearson r", "95% interval, bootstrap over images", missing=True),
            "ceiling": Column("float64", "Pearson r", "largest r that noise allows", missing=True),
            "r_over_ceiling": Column("float64", "ratio", "r relative to the ceiling", missing=True),
            "n_train": Column("int32", "images", "images that the readout was fitted on"),
            "n_test": Column("int32", "images", "images that r is computed on"),
        },
    ),
    "predictions": Table(
        "one row per region mean and test image: predicted and measured",
        ("network", "subject", "roi", "image_id"),
        {
            "network": NETWORK,
            "subject": SUBJECT,
            "roi": ROI,
            "image_id": IMAGE,
            "measured": Column("float64", "SD over training images", "from the measurements table"),
            "predicted": Column("float64", "SD over training images", "by the readout"),
        },
    ),
    "perturbations": Table(
        "one row per attack and image; responses are those of the stored, rounded perturbation",
        ("attack", "network", "roi", "direction", "radius", "image_id"),
        {
            "attack": Column("string", "", "l2: the strongest found; random: noise of the same size"),
            "network": Column("string", "", "network attacked; none for random"),
            "roi": Column("string", "", "region whose group response is attacked; none for random"),
            "direction": DIRECTION,
            "image_id": IMAGE,
            "norm": Column("string", "", "l2"),
            "radius": RADIUS,
            "size": SIZE,
            "response_before": Column("float64", "SD over training images", "predicted, image", missing=True),
            "response_after": Column("float64", "SD over training images", "predicted, perturbed", missing=True),
            "evaluations": Column("int32", "gradients", "spent on this image"),
            "converged": Column("bool", "", "the first-order gap is below the configured tolerance"),
            "delta": Column("list[float16]", "pixels in [0, 1]", "perturbation (3, h, w), flattened"),
        },
    ),
    "transfer": Table(
        "one row per perturbation and target: what it does to the target's response of the region",
        ("attack", "source", "target", "roi", "direction", "radius", "image_id"),
        {
            "attack": Column("string", "", "l2 or random"),
            "source": Column("string", "", "network that the perturbation was made on; none for random"),
            "target": Column("string", "", "network, or simulated_brain, that it is shown to"),
            "roi": ROI,
            "direction": DIRECTION,
            "radius": RADIUS,
            "image_id": IMAGE,
            "size": SIZE,
            "change_source": Column("float64", "SD over training images", "change in the source", missing=True),
            "change_target": Column("float64", "SD over training images", "change in the target"),
        },
    ),
    "eigenvectors": Table(
        "one row per image and rank: leading eigenvectors of J'J, J: voxels of a region by pixels",
        ("network", "roi", "image_id", "rank"),
        {
            "network": NETWORK,
            "roi": ROI,
            "image_id": IMAGE,
            "rank": Column("int32", "", "1: the largest eigenvalue"),
            "eigenvalue": Column("float64", "z squared per squared pixel unit", "squared gain of the axis"),
            "residual": Column("float64", "z squared per squared pixel unit", "||J'J v - eigenvalue v||"),
            "converged": Column("bool", "", "residual below tolerance times the largest eigenvalue"),
            "steps": Column("int32", "products", "applications of J'J spent on this image"),
            "vector": Column("list[float16]", "", "unit vector over pixels (3, h, w), flattened; sign arbitrary"),
        },
    ),
    "gradients": Table(
        "one row per image and region: gradient of the group response",
        ("network", "roi", "image_id"),
        {
            "network": NETWORK,
            "roi": ROI,
            "image_id": IMAGE,
            "norm": Column("float64", "SD over training images per pixel unit", "l2 norm of the gradient"),
            "gradient": Column("list[float16]", "", "unit vector over pixels (3, h, w), flattened"),
        },
    ),
    "similarity": Table(
        "one row per pair of networks and image: similarity of their leading axes",
        ("network_i", "network_j", "roi", "image_id", "k"),
        {
            "network_i": NETWORK,
            "network_j": NETWORK,
            "roi": ROI,
            "image_id": IMAGE,
            "k": Column("int32", "axes", "dimension of both subspaces"),
            "similarity": Column("float64", "0 to 1", "mean squared cosine of the principal angles", missing=True),
            "chance": Column("float64", "0 to 1", "its expectation for random subspaces: k / pixels"),
            "gradient_cosine": Column("float64", "-1 to 1", "cosine of the two gradients", missing=True),
        },
    ),
    "effects": Table(
        "one row per number of the summary",
        ("effect", "group", "roi", "radius"),
        {
            "effect": Column("string", "", "what is measured"),
            "group": Column("string", "", "networks or pairs of networks it is averaged over"),
            "roi": Column("string", "", "region, or all"),
            "radius": Column("float64", "l2 norm, pixels in [0, 1]", "of the attack; 0 where there is none"),
            "estimate": Column("float64", "unit", "mean", missing=True),
            "ci_low": Column("float64", "unit", "95% interval, bootstrap over images", missing=True),
            "ci_high": Column("float64", "unit", "95% interval, bootstrap over images", missing=True),
            "n": Column("int32", "", "networks or pairs averaged"),
            "n_images": Column("int32", "images", "images averaged and resampled"),
            "unit": Column("string", "", "unit of estimate, ci_low and ci_high"),
        },
    ),
}


def matrix(column):
    """The vectors of a list column as one array (rows, length)."""
    return np.stack(list(column))


def write(path, name, frame):
    """Write a data frame as the declared table `name`; the file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        Parquet file; its folder is made.
    name : str
        A key of `TABLES`.
    frame : DataFrame
        Exactly the declared columns, in any order; vectors as arrays.

    Raises
    ------
    ValueError
        If a column is missing or not declared, a value is missing where it may not be, or two rows
        have the same key.
    """
    table = _declared(name)
    _check(frame, name, table, f"to be written to {path}")
    columns = table.columns.items()
    arrays = [_to_arrow(frame[column], spec) for column, spec in columns]
    fields = [
        pa.field(column, array.type, metadata={"unit": spec.unit, "meaning": spec.meaning})
        for (column, spec), array in zip(columns, arrays, strict=True)
    ]
    about = {"table": name, "meaning": table.meaning, "key": json.dumps(table.key)}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        pq.write_table(pa.table(arrays, pa.schema(fields, about)), temporary, compression="zstd")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read(path, name, columns=None, filters=None):
    """Read a declared table back as a data frame; vectors come as numpy arrays.

    Parameters
    ----------
    path : path-like or list of path-likes
        One file, or several that are read one after the other.
    name : str
        A key of `TABLES`.
    columns : list of str, optional
        Only these, which spares memory where a table holds pixels.
    filters : list of tuples, optional
        As in `pyarrow.parquet.read_table`, for instance [("roi", "=", "FFA")].

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If it holds another table, lacks a column, has rows of equal key, or is no Parquet file.
    """
    if isinstance(path, list | tuple) or (not isinstance(path, str | os.PathLike)):
        parts = [read(one, name, columns, filters) for one in path]
        return pd.concat(parts, ignore_index=True)
    table = _declared(name)
    if not Path(path).is_file():
        raise FileNotFoundError(f"table {name}: {path} is not there; run the rule that makes it")
    try:
        schema = pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"table {name}: {path} is no Parquet file ({error}); delete it and run again") from None
    found = (schema.metadata or {}).get(b"table", b"nothing declared").decode()
    if found != name:
        raise ValueError(f"{path} holds {found}, not the table {name}")
    wanted = list(table.columns) if columns is None else columns
    content = pq.read_table(path, columns=wanted, filters=filters)
    frame = pd.DataFrame({column: _from_arrow(content.column(column)) for column in content.column_names})
    if columns is None:
        _check(frame, name, table, f"read from {path}")
    return frame


def _declared(name):
    if name not in TABLES:
        raise ValueError(f"no table {name!r} is declared; there are {', '.join(TABLES)}")
    return TABLES[name]


def _check(frame, name, table, where):
    missing = [column for column in table.columns if column not in frame]
    unknown = [column for column in frame if column not in table.columns]
    if missing or unknown:
        raise ValueError(
            f"table {name} {where}: missing columns {missing or 'none'}, undeclared columns {unknown or 'none'}"
        )
    for column, spec in table.columns.items():
        if spec.missing or spec.type in LISTS:
            continue
        empty = frame[column].isna()
        if empty.any():
            raise ValueError(f"table {name} {where}: {column} is missing in {empty.sum()} rows")
    repeated = frame.duplicated(list(table.key))
    if repeated.any():
        row = frame.loc[repeated, list(table.key)].iloc[0].to_dict()
        raise ValueError(f"table {name} {where}: {repeated.sum()} rows repeat a key, for instance {row}")


def _to_arrow(column, spec):
    if spec.type not in LISTS:
        return pa.array(column.to_list() if spec.type == "string" else column.to_numpy(), SCALARS[spec.type])
    dtype = np.dtype(LISTS[spec.type])
    vectors = [np.asarray(vector, dtype) for vector in column]
    for position, vector in enumerate(vectors):
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise ValueError(
                f"column {column.name}, row {position}: expected a vector of finite numbers, "
                f"found shape {vector.shape} with {(~np.isfinite(vector)).sum()} values that are not finite"
            )
    lengths = [len(vector) for vector in vectors]
    values = pa.array(np.concatenate(vectors) if vectors else np.zeros(0, dtype))
    if vectors and len(set(lengths)) == 1:
        return pa.FixedSizeListArray.from_arrays(values, lengths[0])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)


def _from_arrow(column):
    array = column.combine_chunks()
    if pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        values = array.flatten().to_numpy(zero_copy_only=False)
        return pd.Series(list(values.reshape(-1, size)), dtype=object)
    if pa.types.is_large_list(array.type):
        return pd.Series([np.asarray(cell.values.to_numpy()) for cell in array], dtype=object)
    if pa.types.is_string(array.type):
        return pd.Series(array.to_pylist(), dtype="str")
    return pd.Series(array.to_numpy(zero_copy_only=False))
