"""List what the downloads of a study need of this machine, before anything is downloaded."""

import importlib.util
import shutil
import subprocess

# packages that build the networks of a source; all need torch
PACKAGES = {
    "timm": ("timm",),
    "torchvision": ("torchvision",),
    "transformers": ("transformers",),
    "open_clip": ("open_clip",),
    "dreamsim": ("timm",),
    "cornet": ("cornet",),
}
ADAPTERS = {"nomic_vision": ("timm",), "blip2_vision": ("timm",)}  # others are plain torch
COPIES = 2  # of the weights: as published until they are converted, and converted
UNTRAINED = "untrained"  # the family of networks with random weights
# MB of a session of NSD: of the voxels that are kept of it, and of whole sessions at a time (docs/nsd.md)
KEPT, WHOLE = 20, {"nii.gz": 2000, "hdf5": 5000}
AT_ONCE = 1000  # MB of a GPU for one image and its gradients, beside the weights


def draws_weights(row, config):
    """Tell whether the weights of a network are drawn at random, and not fetched, by its row or the settings.

    The weights of a row whose source is python are those that its function gives, whatever its family.
    """
    return config["random_weights"] or (row["family"] == UNTRAINED and row["source"] != "python")


def packages_of(row):
    """Name the packages that build the network of a row.

    Parameters
    ----------
    row : dict
        Of the table of networks.

    Returns
    -------
    tuple of str
        As they are imported.
    """
    source, identifier = row["source"], row["identifier"]
    if source == "checkpoint":
        source, _, identifier = identifier.partition(":")
    if source == "adapter":
        return ("torch", *ADAPTERS.get(identifier.partition("?")[0], ()))
    return ("torch", *PACKAGES.get(source, ()))


def missing(rows, *, installed=None, free=None, gpu=None, sessions=0, form="nii.gz"):
    """List what the networks and the sessions of a study need and this machine lacks.

    Parameters
    ----------
    rows : list of dict
        Those whose weights are still to be fetched. `megabytes` is the size of a row's files.
    installed : callable, str -> bool, optional
        Whether a package is installed; not checked if not given.
    free : int, optional
        Bytes on the disk of the study; not checked if not given.
    gpu : float, optional
        MB of memory of the largest GPU; not checked if not given.
    sessions : int
        Of NSD that are still to be downloaded.
    form : str
        Of their files, nii.gz or hdf5.

    Returns
    -------
    list of str
        A sentence each, with the remedy; empty if nothing is missing.
    """
    lacks = []
    needed = {}
    for row in rows:
        for package in packages_of(row) if installed else ():
            needed.setdefault(package, []).append(row["name"])
    for package, names in needed.items():
        if not installed(package):
            lacks.append(
                f"package {package}, for {_some(names)}: run with --sdm conda, or install what "
                "envs/hubs.yaml lists"
            )
    weights = COPIES * sum(row.get("megabytes", 0) for row in rows)
    total = weights + (WHOLE[form] + KEPT * sessions if sessions else 0)
    if free is not None and total * 1e6 > free:
        uses = ["weights, each as published and converted"] * bool(weights)
        uses += [f"what is kept of {sessions} sessions of NSD, and some of them whole"] * bool(sessions)
        lacks.append(
            f"{total / 1000:.1f} GB of disk for {'; and for '.join(uses)}; {free / 1e9:.1f} GB are free: "
            "work on another disk" + ", or leave out large networks" * bool(weights)
        )
    large = [row["name"] for row in rows if gpu is not None and row.get("megabytes", 0) + AT_ONCE > gpu]
    if large:
        lacks.append(
            f"memory of a GPU for {_some(large)}, whose weights and one image need more than its "
            f"{gpu / 1000:.1f} GB: leave them out, or set device: cpu"
        )
    return lacks


def is_installed(package):
    """Say whether a package can be imported here, without importing it."""
    return importlib.util.find_spec(package) is not None


def free_disk(folder="."):
    """Measure the bytes that are free where a folder lies."""
    return shutil.disk_usage(folder).free


def gpu_memory():
    """Ask the driver of NVIDIA for the MB of the largest GPU; None if there is no driver or no GPU."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    sizes = [float(line) for line in said.split() if line.replace(".", "").isdigit()]
    return max(sizes, default=None)


def _some(names):
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
