"""Read NSD's volumes: where regions lie, and the stored betas of their voxels.

Masks and maps are NIfTI volumes (x, y, z). A session of betas is a NIfTI file (x, y, z, trials), or an HDF5
file whose dataset /betas has the axes of NIfTI in reverse, (trials, z, y, x), each counted from the same side
as in NIfTI. Nothing in an HDF5 file says so: `prepare_responses` compares the noise ceilings of its voxels
with NSD's map. Both are read piece by piece, because a session of NSD is a gigabyte, of which a region needs
a hundredth.
"""

import gzip
import math
import zlib

import h5py
import nibabel
import numpy as np

from codingaxes.nsd.layout import LABELS, present

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


def _load(path, what):
    """Open a NIfTI image, of which only the header is read; raises ValueError with the file's name."""
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
    """Read the numbers of a NIfTI volume.

    Returns
    -------
    array (x, y, z)
        Of the type that the file gives.

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
    """Read the labels of an atlas: -1 outside cortex, 0 unlabelled, above 0 a region.

    Returns
    -------
    int32 array (x, y, z)

    Raises
    ------
    ValueError
        As `read_volume`, or if a number is not whole or needs more than 32 bits.
    """
    values = read_volume(path, shape)
    within = -(2**31) <= values.min() and values.max() < 2**31  # false for NaN
    if not within or not np.array_equal(values, np.round(values)):
        raise ValueError(
            f"{path}: expected a mask of whole numbers of 32 bits, found fractions, NaN, infinity or larger"
        )
    return values.astype(np.int32)


def labelled(mask_files):
    """Find the voxels that have a label above 0 in any of the masks.

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
    union = None
    for path in mask_files:
        mask = read_mask(path, None if union is None else union.shape) > 0
        union = mask if union is None else union | mask
    if union is None or not union.any():
        raise ValueError(f"no voxel has a label in {', '.join(map(str, mask_files)) or 'no masks'}")
    return np.argwhere(union)


def shape_of(path):
    """Read the shape (x, y, z) of a volume, from its header alone."""
    return _load(present(path, "a volume"), "a NIfTI volume").shape[:3]


def check_aligned(files):
    """Compare where the axes of volumes point, and how far apart their voxels lie.

    Two volumes of one shape may still count voxels from different sides. An HDF5 file or a table states no
    axes and is passed over, and so is a NIfTI file whose header says that its place is unknown.

    Parameters
    ----------
    files : list of path-likes
        Of one subject, read from their headers alone.

    Returns
    -------
    list of str
        A sentence about each file whose axes agree, but whose origin lies more than half a voxel elsewhere.

    Raises
    ------
    ValueError
        If the axes or the sizes of voxels of two files differ; names both files.
    """
    known, said = None, []
    for path in (path for path in files if str(path).endswith((".nii", ".nii.gz"))):
        image = _load(present(path, "a volume"), "a NIfTI volume")
        header = image.header
        if not header.get("sform_code") and not header.get("qform_code"):
            continue
        affine = image.affine
        first, reference = known = known or (path, affine)
        size = np.linalg.norm(reference[:3, :3], axis=0)
        if not np.allclose(affine[:3, :3], reference[:3, :3], rtol=0, atol=0.01 * size.max()):
            turned = _angle(affine, reference)
            by = f" The one grid is turned by {turned:.1f} degrees." if 0.05 < turned < 45 else ""
            raise ValueError(
                f"{path} has {_axes(affine)}, but {first} has {_axes(reference)}: the same i, j, k are other "
                f"places in the brain.{by} Bring one onto the grid of the other, or get the file again"
            )
        shift = affine[:3, 3] - reference[:3, 3]
        if np.linalg.norm(shift) > size.min() / 2:
            said.append(
                f"{path} has its origin {np.round(shift, 1).tolist()} mm from that of {first}: it is taken "
                "for another way to write the same grid. Is it one?"
            )
    return said


def _angle(affine, reference):
    """Measure the largest angle, degrees, between an axis of one affine and the same axis of another."""
    one, other = (axes[:3, :3] / np.linalg.norm(axes[:3, :3], axis=0) for axes in (affine, reference))
    return float(np.degrees(np.arccos(np.clip((one * other).sum(axis=0), -1, 1))).max())


def _axes(affine):
    """Describe the axes of an affine in words."""
    size = ", ".join(f"{length:g}" for length in np.linalg.norm(affine[:3, :3], axis=0).round(3))
    return f"axes that go to {''.join(nibabel.aff2axcodes(affine))} and voxels of {size} mm"


def read_labels(path):
    """Read the names and integers of an atlas from its .ctab file.

    Each line has an integer and a name; what follows them is ignored, and so is a line that begins with #.

    Returns
    -------
    dict, name -> int

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
    """Find where an atlas has one of the labels `names`.

    Only equality with a label counts, since -1 is outside cortex and 0 is unlabelled cortex.

    Returns
    -------
    bool array (x, y, z)
        True nowhere in some subjects.

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
    """Read the betas of some voxels in one session as they are stored: percent signal change times 300.

    Parameters
    ----------
    path : path-like
        betas_sessionNN.nii.gz (or .nii) or betas_sessionNN.hdf5.
    where : int array (v, 3)
        Voxels as i, j, k.
    n_trials : int
        Trials that the session must have.
    shape : tuple (x, y, z), optional
        Shape that the volume must have: that of the masks.

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


def _check(path, file_shape, dtype, where, n_trials, shape):
    """Raise unless a file of that shape (x, y, z, trials) and type is what was expected."""
    space = "x, y, z" if shape is None else ", ".join(str(int(n)) for n in shape)
    wrong = len(file_shape) != 4 or file_shape[3] != n_trials
    if wrong or (shape is not None and tuple(file_shape[:3]) != tuple(shape)):
        raise ValueError(
            f"{path}: expected ({space}, {n_trials} trials), found {tuple(map(int, file_shape))}"
        )
    if dtype.kind != "i" or dtype.itemsize != 2:
        raise ValueError(f"{path}: expected int16 betas, found {dtype}")
    if len(where) and ((where < 0).any() or (where.max(axis=0) >= file_shape[:3]).any()):
        low, high = where.min(axis=0).tolist(), where.max(axis=0).tolist()
        raise ValueError(
            f"{path}: voxels from {low} to {high} are wanted, the betas have the shape {list(file_shape[:3])}"
        )


def _read_nifti(path, where, n_trials, shape):
    """Read one frame at a time: all of a gzip file must be inflated, but only one volume is ever held."""
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
    """Read voxel by voxel where each is a chunk of its own, as in NSD's files; else plane by plane."""
    try:
        with h5py.File(path, "r") as file:
            if "betas" not in file or not isinstance(file["betas"], h5py.Dataset):
                names = ", ".join(map(str, file)) or "nothing"  # h5py gives names that are no UTF-8 as bytes
                raise ValueError(f"{path}: expected a dataset /betas, found {names}")
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
        columns = np.flatnonzero(where[:, 2] == k)
        voxels = where[columns, :2]
        (i, j), (i_end, j_end) = voxels.min(axis=0), voxels.max(axis=0) + 1
        plane = betas[:, k, j:j_end, i:i_end]
        stored[:, columns] = plane[:, voxels[:, 1] - j, voxels[:, 0] - i]
