"""A folder that was changed, copied or is incomplete is noticed, each fault by name; a sound one is not."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import check_stimulus_set
import numpy as np
import pandas as pd
import pytest
from exported_sets import export
from PIL import Image
from safetensors.numpy import load_file, save_file

from codingaxes.job import Run
from codingaxes.stimulus_sets import check, folder, measured
from codingaxes.tables import store
from codingaxes.tables.stimulus_sets import SET_PREDICTIONS

SCRIPT = Path(__file__).parents[2] / "workflow/scripts/check_stimulus_set.py"
ONE, OTHER = "stim-0005_image.png", "stim-0007_image.png"
ROW = 3  # of stim-0005 in all tables of images; stim-0007 is next


def problems(folder):
    """Give what the check says of a folder, as lines 'file: problem'."""
    return [f"{row.file}: {row.problem}" for row in check.findings(folder).itertuples()]


def sign(folder):
    """Write sha256sums.txt anew, as somebody would who hides a change."""
    (folder / check.SUMS).unlink()
    (folder / check.SUMS).write_text(sums_of(folder))


def sums_of(path):
    """List the digests of a folder as the export does."""
    return folder.sums(path)


def rewrite(file, change, **options):
    """Read a table as text, change it, and write it back."""
    sep = "\t" if file.suffix == ".tsv" else ","
    table = change(pd.read_csv(file, sep=sep, dtype=str, keep_default_na=False))
    table.to_csv(file, sep=sep, index=False, lineterminator="\n", **options)


def with_cell(row, column, value):
    """Make a change of one cell."""

    def change(table):
        table.loc[row, column] = value
        return table

    return change


def edit_pixel(file):
    """Change one pixel by one level."""
    with Image.open(file) as image:
        picture = np.asarray(image).copy()
    picture[3, 4, 1] += 1
    Image.fromarray(picture).save(file)


@pytest.fixture
def large(working, tmp_path):
    """The folder of a few stimuli with upscaled copies."""
    return export(working, tmp_path / "large", {"upscale": {"pixels": 64, "filter": "nearest"}})


def test_a_sound_folder_has_no_findings(small):
    found = check.findings(small)
    assert found.empty and list(found) == ["file", "problem", "what_to_do"]


def test_a_folder_that_was_copied_elsewhere_or_has_copies_is_sound(copied, large):
    assert not problems(copied)
    assert not problems(large)


def test_what_systems_leave_in_a_folder_is_no_finding(copied):
    for name in (".snakemake_timestamp", ".DS_Store", "Thumbs.db"):
        (copied / name).write_text("")
    assert not problems(copied)


def test_an_edited_pixel_is_found_by_every_check_also_if_digests_were_written_anew(copied):
    edit_pixel(copied / ONE)
    said = problems(copied)
    assert f"{ONE}: its content was changed: its sha256 is not the one in sha256sums.txt" in said
    assert any(line.startswith(f"{ONE}: its l2 is") for line in said)
    assert "perturbations.safetensors: that of stim-0005" in "".join(said) or len(said) >= 4
    sign(copied)
    said = problems(copied)
    assert f"{ONE}: its sha256 is not the one in stimuli.tsv" in said
    assert f"{ONE}: its sha1 is not the one in stimulus_set.csv" in said
    assert not any("sha256sums" in line for line in said)


def test_a_picture_that_was_saved_again_with_the_same_pixels_is_found(copied):
    with Image.open(copied / ONE) as image:
        picture = np.asarray(image)
    Image.fromarray(picture).save(copied / ONE, compress_level=0)
    assert [line.split(": ")[0] for line in problems(copied)] == [ONE] * 3


def test_a_copied_a_renamed_and_a_foreign_file_are_each_told_what_they_are(copied):
    shutil.copy(copied / ONE, copied / "stim-0005_image (1).png")
    (copied / OTHER).rename(copied / "seven.png")
    (copied / "notes.txt").write_text("of mine")
    (copied / "below").mkdir()
    (copied / "below/.hidden").write_text("of mine too")
    found = check.findings(copied).set_index("file")
    assert found.problem["stim-0005_image (1).png"] == f"it is a copy of {ONE}"
    assert found.problem["seven.png"] == f"it is {OTHER} under another name"
    assert found.what_to_do["seven.png"] == f"rename it to {OTHER}"
    assert found.problem["notes.txt"].startswith("it does not belong to the set")
    assert found.problem["below/.hidden"].startswith("it does not belong to the set")
    assert "it is missing" in set(found.problem[OTHER])


def test_what_cannot_be_read_and_names_of_other_systems_are_findings(copied):
    (copied / "link.png").symlink_to(copied / "nowhere")
    with open(os.fsencode(copied) + b"/caf\xe9.txt", "w") as file:
        file.write("of a system that does not know UTF-8")
    found = check.findings(copied).set_index("file").problem
    assert "it cannot be read (No such file or directory)" in set(found["link.png"])
    assert found["caf\ufffd.txt"].startswith("it does not belong to the set")


def test_all_findings_are_listed_not_only_the_first(copied):
    edit_pixel(copied / ONE)
    (copied / OTHER).unlink()
    rewrite(copied / "conditions.csv", lambda table: table.iloc[1:])
    (copied / "predictions.csv").write_text("")
    files = set(check.findings(copied).file)
    assert {ONE, OTHER, "conditions.csv", "predictions.csv"} <= files


def without_row(table):
    """Drop one row."""
    return table.drop(index=ROW + 1)


# What is done to a folder, and what the check then says, even if digests are written anew.
CHANGES = {
    "a row is missing": (
        lambda f: rewrite(f / "stimuli.tsv", without_row),
        "stimulus_set.csv: it has stim-0007, which stimuli.tsv lacks",
    ),
    "a row is missing in the second table": (
        lambda f: rewrite(f / "stimulus_set.csv", without_row),
        "stimulus_set.csv: it lacks stim-0007, which stimuli.tsv has",
    ),
    "a row stands twice": (
        lambda f: rewrite(f / "conditions.csv", lambda t: pd.concat([t, t.iloc[[ROW]]])),
        "conditions.csv: stim-0005 stands in several rows",
    ),
    "an id is wrong": (
        lambda f: rewrite(f / "stimuli.tsv", with_cell(ROW, "stimulus_id", "stim-0005_b")),
        "stimuli.tsv: stimulus_id 'stim-0005_b' is not stim- and then letters and digits",
    ),
    "an id stands twice": (
        lambda f: rewrite(f / "stimuli.tsv", with_cell(ROW, "stimulus_id", "stim-0004")),
        "stimuli.tsv: stim-0004 stands in several rows",
    ),
    "the type is wrong": (
        lambda f: rewrite(f / "stimuli.tsv", with_cell(ROW, "type", "video")),
        "stimuli.tsv: stim-0005 has the type 'video', not image",
    ),
    "another file": (
        lambda f: rewrite(f / "stimuli.tsv", with_cell(ROW, "filename", OTHER)),
        f"stimuli.tsv: stim-0005 has the file '{OTHER}', not {ONE}",
    ),
    "a number in one table": (
        lambda f: rewrite(f / "conditions.csv", with_cell(ROW, "l2", "0.7")),
        "conditions.csv: stim-0005 has another l2: '0.7', in stimuli.tsv '",
    ),
    "a maker in one table": (
        lambda f: rewrite(f / "stimulus_set.csv", with_cell(ROW, "maker", "me")),
        "stimulus_set.csv: stim-0005 has another maker: 'me', in stimuli.tsv 'plain_resnet'",
    ),
    "a norm": (
        lambda f: rewrite(f / "stimuli.tsv", with_cell(ROW, "rms", "9")),
        f"{ONE}: its rms is ",
    ),
    "no norm": (lambda f: rewrite(f / "stimuli.tsv", with_cell(ROW, "linf", "n/a")), f"{ONE}: its linf is "),
    "an original that is none": (
        lambda f: rewrite(f / "stimuli.tsv", with_cell(ROW, "original", "stim-x")),
        "stimuli.tsv: stim-0005 has the original 'stim-x', which is no stimulus",
    ),
    "an undeclared column": (
        lambda f: rewrite(f / "stimuli.tsv", lambda t: t.assign(mood="good")),
        "stimuli.json: it has no Description of the column mood of stimuli.tsv",
    ),
    "a column without unit": (
        lambda f: (f / "stimuli.json").write_text((f / "stimuli.json").read_text().replace('"Units"', '"U"')),
        "stimuli.json: it has no Units of the column rms of stimuli.tsv",
    ),
    "no column": (
        lambda f: rewrite(f / "stimuli.tsv", lambda t: t.drop(columns="pixels")),
        "it has no column pixels",
    ),
    "a header with a blank": (
        lambda f: rewrite(f / "conditions.csv", lambda t: t.rename(columns={"step": "the step"})),
        "conditions.csv: PsychoPy refuses the header 'the step'",
    ),
    "a column called filename": (
        lambda f: rewrite(f / "stimulus_set.csv", lambda t: t.assign(filename="x.png")),
        "stimulus_set.csv: Brain-Score refuses a column called filename",
    ),
    "an undeclared column of predictions": (
        lambda f: (f / "predictions.json").write_text('{"roi": 5}'),
        "predictions.json: it cannot be read as a JSON object of columns (TypeError)",
    ),
    "no README": (lambda f: (f / "README.md").unlink(), "README.md: it is missing"),
    "no table": (lambda f: (f / "stimuli.tsv").unlink(), "stimuli.tsv: it cannot be read as a table"),
    "an empty table": (
        lambda f: (f / "stimulus_set.csv").write_bytes(b""),
        "stimulus_set.csv: it cannot be read",
    ),
    "bytes that are no text": (
        lambda f: (f / "stimuli.tsv").write_bytes(b"\xff\xfe\x00"),
        "stimuli.tsv: it cannot be read as a table",
    ),
    "JSON that is none": (lambda f: (f / "stimuli.json").write_text("{"), "stimuli.json: it cannot be read"),
    "a truncated picture": (
        lambda f: (f / ONE).write_bytes((f / ONE).read_bytes()[:-30]),
        f"{ONE}: it is no whole PNG file",
    ),
    "another format": (
        lambda f: Image.new("RGB", (32, 32)).save(f / ONE, "JPEG"),
        f"{ONE}: it is no whole PNG",
    ),
    "another size": (lambda f: Image.new("RGB", (16, 16)).save(f / ONE), f"{ONE}: it has 16 pixels a side"),
    "no square": (
        lambda f: Image.new("RGB", (32, 16)).save(f / ONE),
        f"{ONE}: it has 32 x 16 pixels, and is not",
    ),
    "with transparency": (lambda f: Image.new("RGBA", (32, 32)).save(f / ONE), f"{ONE}: its mode is RGBA"),
    "16 bits": (lambda f: Image.new("I;16", (32, 32)).save(f / ONE), f"{ONE}: its mode is I;16"),
    "colours of its own": (
        lambda f: Image.new("RGB", (32, 32)).save(f / ONE, icc_profile=b"a profile"),
        f"{ONE}: it states colours of its own (icc_profile)",
    ),
    "the same picture twice": (
        lambda f: shutil.copy(f / OTHER, f / ONE),
        f"{OTHER}: it is the same picture as {ONE}",
    ),
    "predictions of one stimulus are missing": (
        lambda f: store.write(
            f / "predictions.parquet",
            SET_PREDICTIONS,
            store.read(f / "predictions.parquet", SET_PREDICTIONS).query(
                "stimulus_id != 'stim-0009' or network != 'plain_vgg' or roi != 'PPA' or subject != 'group'"
            ),
        ),
        "predictions.parquet: plain_vgg PPA group lacks stim-0009",
    ),
    "damaged predictions": (
        lambda f: (f / "predictions.parquet").write_bytes(b"PAR1"),
        "predictions.parquet: it cannot be read",
    ),
    "a prediction in CSV": (
        lambda f: rewrite(f / "predictions.csv", with_cell(70, "change", "0.123")),
        "predictions.csv: 1 values of change are not those of predictions.parquet, the first in row 71",
    ),
    "rows of CSV": (
        lambda f: rewrite(f / "predictions.csv", without_row),
        "predictions.csv: its columns or its 229 rows are not those of predictions.parquet",
    ),
    "perturbations in another order": (
        lambda f: save_file(
            {"delta": load_file(f / "perturbations.safetensors")["delta"][::-1].copy()},
            f / "perturbations.safetensors",
            {"stimulus_ids": " ".join(pd.read_csv(f / "conditions.csv").stimulus_id)},
        ),
        "perturbations.safetensors: that of stim-0003 does not make its picture of stim-0001",
    ),
    "perturbations without an order": (
        lambda f: save_file({"delta": np.zeros((1, 3, 32, 32), np.float32)}, f / "perturbations.safetensors"),
        "perturbations.safetensors: delta of 1 float32 does not fit 0 stimulus_ids",
    ),
    "few perturbations": (
        lambda f: save_file(
            {"delta": np.zeros((1, 3, 32, 32), np.float32)},
            f / "perturbations.safetensors",
            {"stimulus_ids": "stim-0001"},
        ),
        "perturbations.safetensors: it lacks stim-0003, which stimuli.tsv has",
    ),
    "damaged perturbations": (
        lambda f: (f / "perturbations.safetensors").write_bytes(b"none"),
        "perturbations.safetensors: it cannot be read",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_with_digests_and_also_if_they_were_written_anew(copied, change):
    make, said = CHANGES[change]
    make(copied)
    by_digest = check.Findings()
    check.check_sums(copied, by_digest)
    assert len(by_digest.table())
    sign(copied)
    found = problems(copied)
    assert any(said in line for line in found), found


def damaged(content, rng):
    """Change some bytes of a file, cut it, leave a piece out, or repeat one."""
    content, place = bytearray(content), rng.randrange(len(content))
    kind = rng.choice(["change", "cut", "leave out", "repeat"])
    if kind == "change":
        content[place] ^= rng.randrange(1, 256)
    elif kind == "cut":
        del content[place:]
    elif kind == "leave out":
        del content[place : place + rng.randrange(1, 50)]
    else:
        content[place:place] = content[place : place + 30]
    return bytes(content)


def test_random_damage_to_any_file_is_a_finding_and_never_a_crash(copied):
    rng = random.Random(0)
    tables = [file.name for file in copied.iterdir() if not file.name.startswith(("stim-", "contact"))]
    for name in sorted([*tables, *tables, ONE, OTHER]):
        stored = (copied / name).read_bytes()
        (copied / name).write_bytes(damaged(stored, rng))
        assert problems(copied), name
        (copied / name).write_bytes(stored)
    assert not problems(copied)


def test_a_damaged_picture_is_a_value_error_whatever_the_damage(small, monkeypatch):
    stored, rng, failed = (small / ONE).read_bytes(), random.Random(1), 0
    for _ in range(300):
        try:
            measured.decode(damaged(stored, rng))
        except ValueError:
            failed += 1
    assert failed > 200
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="it is too large to be opened"):
        measured.decode(stored)


def test_digests_that_were_edited_or_are_gone_are_found(copied):
    sums = copied / "sha256sums.txt"
    lines = sums.read_text().splitlines()
    sums.write_text("\n".join([*lines[1:], "not a digest", lines[5]]))
    said = problems(copied)
    assert (
        f"{lines[0].split('  ')[1]}: it does not belong to the set: sha256sums.txt does not list it" in said
    )
    assert sum(line.startswith("sha256sums.txt: line ") for line in said) == 2
    sums.unlink()
    assert problems(copied) == ["sha256sums.txt: it cannot be read (FileNotFoundError)"]


def test_copies_of_another_size_are_found(large):
    Image.new("RGB", (96, 96)).save(large / "upscaled" / ONE)
    Image.new("RGB", (32, 32)).save(large / "upscaled" / OTHER)
    (large / "upscaled/stim-0009_image.png").unlink()
    sign(large)
    said = problems(large)
    assert "upscaled: copies differ in size: 32, 64, 96 pixels" in said
    assert f"upscaled/{OTHER}: it has 32 pixels a side, no more than the original" in said
    assert "upscaled/stim-0009_image.png: stimuli.tsv names it, and it cannot be read" in said


def test_no_folder_is_a_finding(tmp_path):
    assert problems(tmp_path / "none") == [f"{tmp_path / 'none'}: it is not there, or no folder"]
    (tmp_path / "empty").mkdir()
    assert [line.split(": ")[0] for line in problems(tmp_path / "empty")] == [
        "sha256sums.txt",
        "README.md",
        "design.json",
        "stimuli.tsv",
    ]


def command(*arguments, cwd):
    """Run the command as a user does; gives its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_command_says_that_all_is_well_and_exits_with_1_where_it_is_not(copied, tmp_path):
    code, said = command(copied, cwd=tmp_path)
    assert (code, said) == (0, f"{copied} is whole, and all of it agrees\n")
    (copied / ONE).unlink()
    code, said = command(copied, cwd=tmp_path)
    assert code == 1 and said.startswith(f"{ONE}: it is missing; put the file of the original folder back")
    assert command(cwd=tmp_path)[0] == 2 and "FOLDER" in command("--help", cwd=tmp_path)[1]


def test_the_rule_writes_its_table_and_fails_with_findings(copied, tmp_path):
    run = Run(
        "check_stimulus_set", {"folder": str(copied)}, {"check": str(tmp_path / "c.csv")}, {}, {}, "log"
    )
    check_stimulus_set.main(run)
    assert (tmp_path / "c.csv").read_text() == "file,problem,what_to_do\n"
    edit_pixel(copied / ONE)
    with pytest.raises(ValueError, match=r"has \d findings, listed above"):
        check_stimulus_set.main(run)
    assert ONE in set(pd.read_csv(tmp_path / "c.csv").file)
