"""Reading volumes: masks, label files, and sessions of betas in every form, whole and broken."""

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest

from codingaxes.nsd import volumes

SHAPE, TRIALS = (5, 7, 4), 6


@pytest.fixture
def stored(rng):
    """A whole session in stored units, (x, y, z, trials), to the ends of the type."""
    values = rng.integers(-32768, 32768, (*SHAPE, TRIALS)).astype(np.int16)
    values[0, 0, 0, :2] = -32768, 32767
    return values


@pytest.fixture
def where(rng):
    """Half of the voxels, in no order, the corners among them."""
    voxels = np.argwhere(np.ones(SHAPE, bool))
    last = len(voxels) - 1
    return voxels[rng.permutation(np.r_[0, last, rng.choice(np.arange(1, last), 70, False)])]


def write_nifti(path, values, dtype="<i2"):
    """Write a NIfTI file; its path."""
    header = nibabel.Nifti1Header(endianness=dtype[0])
    header.set_data_dtype(dtype[1:])
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4), header), path)
    return path


def write_hdf5(path, values, **options):
    """Write an HDF5 file of betas; its path."""
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=values.T, **options)
    return path


FORMS = {
    "gzip": lambda folder, values: write_nifti(folder / "betas_session01.nii.gz", values),
    "nifti": lambda folder, values: write_nifti(folder / "betas_session01.nii", values),
    "big endian": lambda folder, values: write_nifti(folder / "betas_session01.nii.gz", values, ">i2"),
    "a chunk a voxel": lambda folder, values: write_hdf5(
        folder / "betas_session01.hdf5", values, chunks=(values.shape[3], 1, 1, 1)
    ),
    "other chunks": lambda folder, values: write_hdf5(
        folder / "betas_session01.hdf5", values, chunks=(2, 2, 3, 2), compression="gzip"
    ),
    "contiguous": lambda folder, values: write_hdf5(folder / "betas_session01.hdf5", values),
    "big endian contiguous": lambda folder, values: write_hdf5(
        folder / "betas_session01.hdf5", values, dtype=">i2"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_session_gives_the_same_numbers_as_nibabel(form, stored, where, tmp_path):
    path = FORMS[form](tmp_path, stored)
    betas = volumes.read_stored(path, where, TRIALS, SHAPE)
    reference = nibabel.load(write_nifti(tmp_path / "reference.nii.gz", stored))
    expected = np.asanyarray(reference.dataobj)[tuple(where.T)].T
    assert betas.dtype == np.int16 and np.array_equal(betas, expected)


@pytest.mark.parametrize("form", ["gzip", "a chunk a voxel", "contiguous"])
def test_a_session_of_another_shape_or_type_is_refused_by_name(form, stored, where, tmp_path):
    path = FORMS[form](tmp_path, stored)
    for n_trials, shape, message in (
        (7, SHAPE, r"expected \(5, 7, 4, 7 trials\), found \(5, 7, 4, 6\)"),
        (6, (5, 7, 5), r"expected \(5, 7, 5, 6 trials\), found \(5, 7, 4, 6\)"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            volumes.read_stored(path, where, n_trials, shape)
        assert str(path) in str(caught.value)
    for outside in ((5, 0, 0), (0, 0, -1)):
        with pytest.raises(ValueError, match=r"betas_session01.*\[5, 7, 4\]"):
            volumes.read_stored(path, [(0, 0, 0), outside], TRIALS)
    flat = FORMS[form](tmp_path, stored[..., :1]) if form != "gzip" else write_nifti(path, stored[..., 0])
    with pytest.raises(ValueError, match=r"betas_session01.*6 trials\), found"):
        volumes.read_stored(flat, where, TRIALS)
    with pytest.raises(FileNotFoundError, match="betas_session02"):
        volumes.read_stored(tmp_path / "betas_session02.nii.gz", where, TRIALS)


def test_floats_other_integers_and_scaled_betas_are_refused(stored, where, tmp_path):
    for dtype in (np.float32, np.uint16, np.int32):
        name = np.dtype(dtype).name
        file = tmp_path / "betas_session01.nii.gz"
        nibabel.save(nibabel.Nifti1Image(stored.astype(dtype), np.eye(4), dtype=dtype), file)
        with pytest.raises(ValueError, match=rf"session01\.nii\.gz: expected int16 betas, found {name}"):
            volumes.read_stored(file, where, TRIALS)
        file = write_hdf5(tmp_path / "betas_session01.hdf5", stored.astype(dtype))
        with pytest.raises(ValueError, match=rf"session01\.hdf5: expected int16 betas, found {name}"):
            volumes.read_stored(file, where, TRIALS)
    file = tmp_path / "betas_session01.nii.gz"
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    nibabel.save(nibabel.Nifti1Image(stored / 300.0, np.eye(4), header), file)  # nibabel makes up a scale
    with pytest.raises(ValueError, match=r"session01\.nii\.gz: expected stored units, found slope"):
        volumes.read_stored(file, where, TRIALS)


@pytest.mark.parametrize("form", ["gzip", "nifti", "a chunk a voxel", "contiguous"])
def test_a_session_that_is_cut_short_anywhere_is_refused_by_name(form, stored, where, tmp_path):
    path = FORMS[form](tmp_path, stored)
    whole = path.read_bytes()
    lengths = [0, 1, 2, 10, 100, 348, 351, *np.linspace(360, len(whole) - 1, 25).astype(int)]
    for length in lengths:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"betas_session01\.\w+.*: expected"):
            volumes.read_stored(path, where, TRIALS)
    path.write_bytes(whole)
    volumes.read_stored(path, where, TRIALS)


def test_a_session_with_damaged_or_additional_bytes_is_refused_by_name(stored, where, tmp_path):
    path = FORMS["gzip"](tmp_path, stored)
    whole = path.read_bytes()
    for place in range(len(whole) // 3, len(whole), len(whole) // 12):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"betas_session01.*expected 6 whole trials"):
            volumes.read_stored(path, where, TRIALS)
    path = FORMS["nifti"](tmp_path, stored)
    path.write_bytes(path.read_bytes() + b"\0\0")
    with pytest.raises(ValueError, match=r"betas_session01\.nii: .*more after trial 6"):
        volumes.read_stored(path, where, TRIALS)
    for name in ("betas_session01.nii.gz", "betas_session01.hdf5"):
        (tmp_path / name).write_bytes(b"<html>Service unavailable</html>" * 50)
        with pytest.raises(ValueError, match=rf"{name}: expected"):
            volumes.read_stored(tmp_path / name, where, TRIALS)


def test_an_hdf5_file_without_betas_is_refused_with_what_it_has(where, tmp_path):
    with h5py.File(tmp_path / "betas_session01.hdf5", "w") as file:
        file["other"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"session01\.hdf5: expected a dataset /betas, found other"):
        volumes.read_stored(tmp_path / "betas_session01.hdf5", where, TRIALS)


def test_an_hdf5_file_whose_names_are_no_utf8_or_whose_betas_are_empty_is_refused_by_name(where, tmp_path):
    path = tmp_path / "betas_session01.hdf5"
    with h5py.File(path, "w") as file:
        file[b"b\xe9tas"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"session01\.hdf5: expected a dataset /betas, found b'b\\xe9tas'"):
        volumes.read_stored(path, where, TRIALS)
    with h5py.File(path, "w") as file:
        file["betas"] = h5py.Empty("i2")
    with pytest.raises(ValueError, match=r"session01\.hdf5: expected \(x, y, z, 6 trials\), found \(\)"):
        volumes.read_stored(path, where, TRIALS)


def patch(path, place, *numbers, form="<f"):
    """Overwrite a part of the header of a NIfTI file."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(f"{form[0]}{len(numbers)}{form[1]}", content, place, *numbers)
    path.write_bytes(gzip.compress(bytes(content)))


@pytest.mark.parametrize(
    ("place", "numbers", "form"),
    [
        (108, [np.nan], "<f"),
        (108, [np.inf], "<f"),
        (108, [-5.0], "<f"),
        (108, [1e30], "<f"),
        (42, [-5], "<h"),
        (42, [0], "<h"),
        (42, [32767] * 3, "<h"),
    ],
)
def test_a_header_with_impossible_numbers_is_refused_by_name(stored, where, tmp_path, place, numbers, form):
    betas = write_nifti(tmp_path / "betas_session01.nii.gz", stored)
    atlas = mask(tmp_path, "floc-faces", stored[..., 0])
    for path in (betas, atlas):
        patch(path, place, *numbers, form=form)
    for shape in (None, SHAPE):
        with pytest.raises(ValueError, match=r"betas_session01\.nii\.gz: expected .*[\w)]$"):
            volumes.read_stored(betas, where, TRIALS, shape)
    with pytest.raises(ValueError, match=r"floc-faces\.nii\.gz: expected a whole NIfTI volume.*: .*[\w)]$"):
        volumes.read_volume(atlas)
    if (place == 42 and numbers[0] < 1) or not np.isfinite(numbers[0]):
        with pytest.raises(ValueError, match=r"floc-faces\.nii\.gz: expected a NIfTI volume"):
            volumes.shape_of(atlas)


def test_a_header_with_any_damaged_byte_is_read_or_refused_by_name(stored, where, rng, tmp_path):
    betas = write_nifti(tmp_path / "betas_session01.nii.gz", stored)
    atlas = mask(tmp_path, "floc-faces", stored[..., 0])
    whole = {path: path.read_bytes() for path in (betas, atlas)}
    for place in [*range(4), *range(40, 124)]:  # sizes, types, scales and the offset
        for value in (0, 127, 128, 255):
            for path, read in (
                (betas, lambda path: volumes.read_stored(path, where, TRIALS)),
                (atlas, volumes.read_mask),
                (atlas, volumes.shape_of),
            ):
                path.write_bytes(whole[path])
                patch(path, place, value, form="<B")
                message = str(path)
                try:
                    read(path)
                except ValueError as error:
                    message = str(error)
                assert str(path) in message, (place, value)


def mask(folder, name, values):
    """Write a volume; its path."""
    nibabel.save(nibabel.Nifti1Image(np.asarray(values), np.eye(4)), folder / f"{name}.nii.gz")
    return folder / f"{name}.nii.gz"


def test_labelled_voxels_are_those_above_zero_in_any_mask_in_order_of_place(rng, tmp_path):
    one, two = (rng.integers(-1, 4, SHAPE).astype(np.int16) for _ in range(2))
    files = [mask(tmp_path, "one", one), mask(tmp_path, "two", two.astype(np.float32))]
    expected = sorted(
        (i, j, k) for i, j, k in np.ndindex(SHAPE) if one[i, j, k] > 0 or two[i, j, k] > 0
    )  # fmt: skip
    assert volumes.labelled(files).tolist() == list(map(list, expected))
    assert volumes.shape_of(files[0]) == SHAPE


def test_masks_without_voxels_of_other_shapes_or_with_fractions_are_refused(tmp_path):
    empty, other = mask(tmp_path, "empty", np.zeros(SHAPE)), mask(tmp_path, "other", np.ones((5, 7, 3)))
    with pytest.raises(ValueError, match=r"no voxel has a label in .*empty"):
        volumes.labelled([empty])
    with pytest.raises(ValueError, match=r"other\.nii\.gz: expected a volume of shape \(5, 7, 4\), found"):
        volumes.labelled([empty, other])
    for bad in (np.full(SHAPE, 0.5), np.full(SHAPE, np.nan), np.full(SHAPE, np.inf), np.full(SHAPE, -1e10)):
        with pytest.raises(ValueError, match=r"bad\.nii\.gz: expected a mask of whole numbers"):
            volumes.labelled([mask(tmp_path, "bad", bad)])
    whole = empty.read_bytes()
    for length in (0, 5, len(whole) // 2):
        empty.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"empty\.nii\.gz: expected a"):
            volumes.read_mask(empty)


def volume(folder, name, affine, stated=True, shape=SHAPE):
    """Write a volume of zeros that says where its axes point; its path."""
    image = nibabel.Nifti1Image(np.zeros(shape, np.int16), affine)
    image.header.set_qform(affine, 1)
    nibabel.save(image, folder / name)
    if not stated:
        patch(folder / name, 252, 0, 0, form="<h")  # the codes of both ways to say it
    return folder / name


AXES = np.diag([1.8, 1.8, 1.8, 1.0])
OTHERS = {
    "LAS": np.diag([-1.8, 1.8, 1.8, 1.0]),
    "RAI": np.diag([1.8, 1.8, -1.8, 1.0]),
    "ARS": AXES[[1, 0, 2, 3]],
    "voxels of 1, 1, 1 mm": np.diag([1.0, 1.0, 1.0, 1.0]),
    "voxels of 1.8, 1.8, 2 mm": np.diag([1.8, 1.8, 2.0, 1.0]),
}


@pytest.mark.parametrize("other", OTHERS)
def test_volumes_of_one_shape_but_other_axes_are_refused_with_both_files_and_axes(tmp_path, other):
    files = [volume(tmp_path, f"{name}.nii.gz", AXES) for name in ("brainmask", "atlas")]
    files.append(volume(tmp_path, "betas_session01.nii", OTHERS[other], shape=(*SHAPE, TRIALS)))
    assert volumes.check_aligned(files[:2]) == []
    with pytest.raises(
        ValueError, match=r"betas_session01\.nii has axes.*but .*brainmask\.nii\.gz has"
    ) as told:
        volumes.check_aligned(files)
    assert other in str(told.value) and "axes that go to RAS and voxels of 1.8, 1.8, 1.8 mm" in str(
        told.value
    )


def test_another_origin_is_told_and_files_that_state_no_axes_are_passed_over(tmp_path):
    shifted = AXES + np.outer([5.4, 0, 0, 0], [0, 0, 0, 1])
    files = [
        volume(tmp_path, "unknown.nii.gz", OTHERS["LAS"], stated=False),
        volume(tmp_path, "brainmask.nii.gz", AXES),
        write_hdf5(tmp_path / "betas_session01.hdf5", np.zeros((*SHAPE, TRIALS), np.int16)),
        volume(tmp_path, "near.nii.gz", AXES + np.outer([0.5, 0, 0, 0], [0, 0, 0, 1])),
        volume(tmp_path, "far.nii.gz", shifted),
    ]
    (said,) = volumes.check_aligned(files)
    assert "far.nii.gz has its origin [5.4, 0.0, 0.0] mm from that of" in said and "brainmask" in said


def labels(folder, text, atlas="floc-faces"):
    """Write a label file; its path."""
    path = folder / f"{atlas}.mgz.ctab"
    path.write_text(text)
    return path


def test_label_files_are_read_with_tabs_colours_and_empty_lines(tmp_path):
    text = "0 Unknown\n1\tOFA\t0 0 0\n\n2 FFA-1 \t255\n3  FFA-2\n"
    assert volumes.read_labels(labels(tmp_path, text)) == {"Unknown": 0, "OFA": 1, "FFA-1": 2, "FFA-2": 3}


def test_a_label_file_may_have_a_byte_order_mark_and_comments_but_only_utf8(tmp_path):
    path = labels(tmp_path, "")
    path.write_bytes(b"\xef\xbb\xbf# of FreeSurfer\r\n0 Unknown\r\n  #2 no\n1 OFA # and more\n")
    assert volumes.read_labels(path) == {"Unknown": 0, "OFA": 1}
    path.write_bytes(b"0 Unknown\n1 OFA\xe9\n")
    with pytest.raises(ValueError, match=r"floc-faces\.mgz\.ctab: expected text in UTF-8"):
        volumes.read_labels(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 Unknown\n1 FFA-1\n", r"FFA-1 is 1, but 2 in the code of NSD's authors"),
        ("0 Unknown\n1\n", r"an integer and a name, found '1'"),
        ("0 Unknown\nOFA 1\n", r"an integer and a name, found 'OFA 1'"),
        ("0 Unknown\n1 OFA\n1 mine\n", r"1 mine repeats"),
        ("0 Unknown\n6 mine\n7 mine\n", r"7 mine repeats"),
    ],
)
def test_a_label_file_that_disagrees_with_nsds_code_or_itself_is_refused_by_name(tmp_path, text, message):
    with pytest.raises(ValueError, match=r"floc-faces\.mgz\.ctab: .*" + message):
        volumes.read_labels(labels(tmp_path, text))


def test_a_region_is_where_its_labels_are_and_may_be_empty(tmp_path):
    values = np.full(SHAPE, -1, np.int16)
    values[1, 2, 3], values[2, 2, 2], values[0, 0, 0] = 2, 1, 0
    ctab = labels(tmp_path, "0 Unknown\n1 OFA\n2 FFA-1\n3 FFA-2\n")
    path = mask(tmp_path, "floc-faces", values)
    assert np.argwhere(volumes.region_mask(path, ctab, ["FFA-1", "FFA-2"])).tolist() == [[1, 2, 3]]
    assert not volumes.region_mask(path, ctab, ["FFA-2"]).any()
    with pytest.raises(ValueError, match=r"ctab has no label FFA-9; it has .*FFA-1"):
        volumes.region_mask(path, ctab, ["FFA-9"])
    values[3, 3, 3] = 7
    with pytest.raises(ValueError, match=r"floc-faces\.nii\.gz has the label 7, which .*ctab does not know"):
        volumes.region_mask(mask(tmp_path, "floc-faces", values), ctab, ["FFA-1"])


EXTRACT = """
import sys
from pathlib import Path
import numpy as np
from codingaxes.nsd import volumes

def peak():  # of this process since it began; what getrusage gives may be its parent's
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1])

where = np.argwhere(np.ones((40, 50, 2), bool))
volumes.read_stored(sys.argv[1], where[:10], 2)
before = peak()
volumes.read_stored(sys.argv[2], where, 1000)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
@pytest.mark.parametrize("form", ["gzip", "a chunk a voxel", "contiguous"])
def test_reading_a_region_takes_little_more_memory_than_the_region(form, tmp_path):
    shape = (40, 50, 50, 1000)  # 200 MB; 800 MB in float64
    values = np.zeros(shape, np.int16)
    values[:, :, ::25] = np.arange(1000)
    (tmp_path / "large").mkdir()
    if form == "a chunk a voxel":  # slow to write, so most are left out
        path = tmp_path / "large/betas_session01.hdf5"
        with h5py.File(path, "w") as file:
            betas = file.create_dataset("betas", shape[::-1], np.int16, chunks=(1000, 1, 1, 1))
            betas[:, :2] = values.T[:, :2]
    else:
        path = FORMS[form](tmp_path / "large", values)
    del values
    small = FORMS[form](tmp_path, np.zeros((40, 50, 2, 2), np.int16))
    done = subprocess.run(
        [sys.executable, "-c", EXTRACT, str(small), str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(volumes.__file__).parents[2]), "OMP_NUM_THREADS": "1"},
    )
    assert int(done.stdout) < 60_000  # kB, of which 8000 are the voxels that were asked for


def test_a_grid_that_is_turned_by_little_is_refused_with_the_angle(tmp_path):
    turn = np.radians(6)
    axes = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    straight = volume(tmp_path, "straight.nii.gz", np.diag([1.8, 1.8, 1.8, 1.0]))
    turned = volume(tmp_path, "turned.nii.gz", nibabel.affines.from_matvec(1.8 * axes))
    with pytest.raises(ValueError, match=r"turned\.nii\.gz .* The one grid is turned by 6\.0 degrees"):
        volumes.check_aligned([straight, turned])
