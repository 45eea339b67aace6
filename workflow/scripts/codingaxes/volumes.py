"""NSD's volumes -> where regions lie, and the stored betas of their voxels.

Masks and maps are NIfTI volumes (x, y, z). A session of betas is a NIfTI file (x, y, z, trials) or an HDF5
file, whose dataset /betas has the axes of NIfTI in reverse, (trials, z, y, x). Both are read piece by piece:
a session of NSD is a gigabyte, of which a region needs a hundredth.
"""

import gzip
import math
import zlib
from pathlib import Path

import h5py
import nibabel
import numpy as np

from codingaxes import tables

PERCENT = 300  # betas are stored as int16: percent signal change times 300
# The integers of NSD's own code (its scripts that draw the regions), by atlas; a label file must agree.
LABELS = {
    "floc-faces": {"OFA": 1, "FFA-1": 2, "FFA-2": 3, "mTL-faces": 4, "aTL-faces": 5},
    "floc-bodies": {"EBA": 1, "FBA-1": 2, "FBA-2": 3, "mTL-bodies": 4},
    "floc-places": {"OPA": 1, "PPA": 2, "RSC": 3},
}
UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    nibabel.filebasedimages.ImageFileError,
    nibabel.spatialimages.HeaderDataError,
    ValueError,  # these three where a header has impossible numbers
    OverflowError,
    MemoryError,
)


def present(path, what):
    """`path` as a Path; raises FileNotFoundError if there is no such file."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} ({what}) is not there; see nsd.folder in the configuration")
    return path


def _load(path, what):
    """A NIfTI image, of which only the header is read; raises ValueError with the file's name."""
    try:
        image = nibabel.load(path)
        if min(image.shape, default=0) < 1:
            raise OSError(f"its header has the shape {tuple(map(int, image.shape))}")
    except UNREADABLE as error:
        raise ValueError(f"{path}: expected {what}, but it cannot be read: {_why(error)}") from None
    return image


def _why(error):
    return str(error) or type(error).__name__


def read_volume(path, shape=None):
    """The numbers of a NIfTI volume (x, y, z).

    Raises
    ------
    ValueError
        If the file cannot be read, has another shape than `shape`, or colours or complex numbers.
    """
    path = present(path, "a volume")
    image = _load(path, "a whole NIfTI volume")
    try:
        values = np.asanyarray(image.dataobj)
    except UNREADABLE as error:
        raise ValueError(
            f"{path}: expected a whole NIfTI volume, but it cannot be read: {_why(error)}"
        ) from None
    if values.dtype.kind not in "iuf":
        raise ValueError(f"{path}: expected a volume of real numbers, found {values.dtype}")
    if values.ndim != 3 or (shape is not None and values.shape != tuple(shape)):
        expected = "(x, y, z)" if shape is None else tuple(map(int, shape))
        raise ValueError(f"{path}: expected a volume of shape {expected}, found {values.shape}")
    return values


def read_mask(path, shape=None):
    """The labels of an atlas, integers (x, y, z): -1 outside cortex, 0 unlabelled, above 0 a region."""
    values = read_volume(path, shape)
    within = -(2**31) <= values.min() and values.max() < 2**31  # false for NaN
    if not within or not np.array_equal(values, np.round(values)):
        raise ValueError(
            f"{path}: expected a mask of whole numbers of 32 bits, found fractions, NaN, infinity or larger"
        )
    return values.astype(np.int32)


def labelled(mask_files):
    """Voxels that have a label above 0 in any of the masks.

    Parameters
    ----------
    mask_files : list of path-likes
        Atlases of one subject, all of one shape.

    Returns
    -------
    int array (v, 3)
        i, j, k of each voxel, sorted by i, then j, then k.

    Raises
    ------
    ValueError
        If there is no mask or no labelled voxel, or two masks differ in shape.
    """
    found = None
    for path in mask_files:
        mask = read_mask(path, None if found is None else found.shape) > 0
        found = mask if found is None else found | mask
    if found is None or not found.any():
        raise ValueError(f"no voxel has a label in {', '.join(map(str, mask_files)) or 'no masks'}")
    return np.argwhere(found)


def shape_of(path):
    """Shape (x, y, z) of a volume, from its header alone."""
    return _load(present(path, "a volume"), "a NIfTI volume").shape[:3]


def read_labels(path):
    """Names -> integers of an atlas, from its .ctab file: an integer and a name on each line; # comments.

    Raises
    ------
    ValueError
        If the file is no text in UTF-8, a line is no such pair, a name or integer stands twice, or an integer
        is not that of NSD's code.
    """
    labels = {}
    path = present(path, "a label file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8: {error}") from None
    for line in text.splitlines():
        parts = line.split()[:2]
        if not parts or parts[0].startswith("#"):
            continue
        if len(parts) < 2 or not parts[0].isdecimal():
            raise ValueError(f"{path}: expected lines of an integer and a name, found {line!r}")
        number, name = int(parts[0]), parts[1]
        if name in labels or number in labels.values():
            raise ValueError(f"{path}: {number} {name} repeats an integer or a name")
        labels[name] = number
    known = LABELS.get(path.name.split(".")[0], {})
    for name, number in labels.items():
        if known.get(name, number) != number:
            raise ValueError(f"{path}: {name} is {number}, but {known[name]} in the code of NSD's authors")
    return labels


def region_mask(mask_file, label_file, names, shape=None):
    """Where an atlas has one of the labels `names`: bool array (x, y, z), without any voxel in some subjects.

    Only equality with a label counts: -1 is outside cortex and 0 is unlabelled cortex.

    Raises
    ------
    ValueError
        If the label file does not know a name, or a label of the mask.
    """
    known = read_labels(label_file)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{label_file} has no label {', '.join(unknown)}; it has {', '.join(known)}")
    atlas = read_mask(mask_file, shape)
    strange = sorted({int(label) for label in np.unique(atlas) if label > 0} - set(known.values()))
    if strange:
        raise ValueError(f"{mask_file} has the label {strange[0]}, which {label_file} does not know")
    return np.isin(atlas, [known[name] for name in names])


def read_stored(path, where, n_trials, shape=None):
    """Betas of some voxels in one session, as they are stored: percent signal change times 300.

    Parameters
    ----------
    path : path-like
        betas_sessionNN.nii.gz (or .nii) or betas_sessionNN.hdf5.
    where : int array (v, 3)
        Voxels as i, j, k.
    n_trials : int
        Trials that the session must have.
    shape : tuple (x, y, z), optional
        That the volume must have: the shape of the masks.

    Returns
    -------
    int16 array (trials, v)

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If it is truncated or unreadable, is no int16, or has another shape, a scale or no dataset /betas.
    """
    path = present(path, "a session of betas")
    where = np.asarray(where, np.int64).reshape(-1, 3)
    read = _read_hdf5 if path.suffix in (".hdf5", ".h5") else _read_nifti
    return read(path, where, n_trials, shape)


def read_betas(path, where, n_trials, shape=None):
    """Betas of some voxels in one session, percent signal change: float32 (trials, v); see `read_stored`."""
    return read_stored(path, where, n_trials, shape).astype(np.float32) / PERCENT


def read_extracted(path, where, n_trials, subject, session):
    """What `read_stored` gives, from the table "sessions" of one session.

    Raises
    ------
    ValueError
        If the table is of another subject or session, lacks a voxel, or has another number of trials.
    """
    rows = tables.read(present(path, "an extracted session"), "sessions")
    found = sorted(set(zip(rows.subject, rows.session, strict=True)))
    if found != [(subject, session)]:
        raise ValueError(f"{path}: expected {subject}, session {session} alone, found {found[:3]}")
    lengths = {len(beta) for beta in rows.beta}
    if lengths != {n_trials}:
        raise ValueError(f"{path}: expected {n_trials} trials a voxel, found {sorted(lengths)}")
    place = {voxel: row for row, voxel in enumerate(zip(rows.i, rows.j, rows.k, strict=True))}
    wanted = [tuple(map(int, voxel)) for voxel in where]
    absent = [voxel for voxel in wanted if voxel not in place]
    if absent:
        raise ValueError(f"{path} lacks {len(absent)} of {len(wanted)} voxels, the first {absent[0]}")
    return tables.matrix(rows.beta.iloc[[place[voxel] for voxel in wanted]]).T.copy()


def _check(path, found, dtype, where, n_trials, shape):
    """Raise unless a file of shape `found` (x, y, z, trials) is what was expected."""
    space = "x, y, z" if shape is None else ", ".join(str(int(n)) for n in shape)
    wrong = len(found) != 4 or found[3] != n_trials
    if wrong or (shape is not None and tuple(found[:3]) != tuple(shape)):
        raise ValueError(f"{path}: expected ({space}, {n_trials} trials), found {tuple(map(int, found))}")
    if dtype.kind != "i" or dtype.itemsize != 2:
        raise ValueError(f"{path}: expected int16 betas, found {dtype}")
    if len(where) and ((where < 0).any() or (where.max(axis=0) >= found[:3]).any()):
        low, high = where.min(axis=0).tolist(), where.max(axis=0).tolist()
        raise ValueError(
            f"{path}: voxels from {low} to {high} are wanted, the betas have the shape {list(found[:3])}"
        )


def _read_nifti(path, where, n_trials, shape):
    """One frame at a time: all of a gzip file must be inflated, but only one volume is ever held."""
    image = _load(path, "a NIfTI file of betas")
    dtype = image.get_data_dtype()
    _check(path, image.shape, dtype, where, n_trials, shape)
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    if (slope, intercept) != (1, 0):
        raise ValueError(f"{path}: expected stored units, found slope {slope} and intercept {intercept}")
    flat = where @ [1, image.shape[0], image.shape[0] * image.shape[1]]  # Fortran order
    stored, done = np.empty((n_trials, len(where)), np.int16), 0
    try:
        frame = np.empty(math.prod(image.shape[:3]), dtype)
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            file.read(image.dataobj.offset)
            for trial in stored:
                if file.readinto(frame.view(np.uint8)) < frame.nbytes:
                    raise EOFError("the file ends early")
                trial[:] = frame[flat]
                done += 1
            if file.read(1):  # reading to the end also verifies the checksum of the gzip file
                raise OSError(f"there is more after trial {n_trials}")
    except UNREADABLE as error:
        raise ValueError(
            f"{path}: expected {n_trials} whole trials, read {done}: {_why(error)}; get the file again"
        ) from None
    return stored


def _read_hdf5(path, where, n_trials, shape):
    """Voxel by voxel where each is a chunk of its own, as in NSD's files; else plane by plane."""
    try:
        with h5py.File(path, "r") as file:
            if "betas" not in file or not isinstance(file["betas"], h5py.Dataset):
                found = ", ".join(map(str, file)) or "nothing"  # h5py gives names that are no UTF-8 as bytes
                raise ValueError(f"{path}: expected a dataset /betas, found {found}")
            betas = file["betas"]
            _check(path, (betas.shape or ())[::-1], betas.dtype, where, n_trials, shape)
            stored = np.empty((n_trials, len(where)), np.int16)
            if betas.chunks is not None and betas.chunks[1:] == (1, 1, 1):
                _read_voxels(betas, where, stored)
            else:
                _read_planes(betas, where, stored)
            return stored
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path}: expected an HDF5 file of betas, but it cannot be read: {error}") from None


def _read_voxels(betas, where, stored):
    for column in np.lexsort(where.T):  # i fastest, the order in which the file was written
        i, j, k = where[column]
        stored[:, column] = betas[:, k, j, i]


def _read_planes(betas, where, stored):
    for k in np.unique(where[:, 2]):
        mine = np.flatnonzero(where[:, 2] == k)
        (i, j), (i_end, j_end) = where[mine, :2].min(axis=0), where[mine, :2].max(axis=0) + 1
        plane = betas[:, k, j:j_end, i:i_end]
        stored[:, mine] = plane[:, where[mine, 1] - j, where[mine, 0] - i]
