"""Tests of folders of images made elsewhere: three forms, and one clear error for each mistake in a table."""

import importlib.util
import os
import re
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from codingaxes.stimulus_sets import outside

REGIONS = ["FFA", "EBA", "PPA"]
EXAMPLE = Path(__file__).parents[1] / "data/outside"


def put(folder, *names):
    """Write small images below a folder, each of another grey."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(folder / name)
    return folder


def table(folder, text, name=outside.TABLE):
    """Write a table beside two images and their originals, and list the folder."""
    put(folder, "a.png", "b.png", "clean/a.png")
    (folder / name).write_text(text, encoding="utf-8")
    return outside.listed(folder, REGIONS)


def test_the_example_has_three_methods_of_three_originals_at_one_or_two_sizes():
    rows = outside.listed(EXAMPLE, REGIONS)
    counts = {method: sum(row["method"] == method for row in rows) for method in ("blur", "contrast", "warp")}
    assert counts == {"blur": 6, "contrast": 6, "warp": 3} and len(rows) == 15
    assert {row["original"] for row in rows} == {f"originals/scene_{n}.png" for n in (1, 2, 3)}
    for row in rows:
        assert Path(row["original"]).name == Path(row["filename"]).name
    assert sum(file.stat().st_size for file in EXAMPLE.rglob("*")) < 150_000


def test_the_example_is_what_its_script_makes(tmp_path):
    spec = importlib.util.spec_from_file_location("make_outside", EXAMPLE / "make_outside.py")
    make_outside = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_outside)
    make_outside.main(tmp_path)
    made, shipped = outside.files_of(tmp_path), outside.files_of(EXAMPLE)
    assert set(made) == set(shipped)
    for name, file in shipped.items():
        pixels = [np.asarray(Image.open(path)).astype(int) for path in (made[name], file)]
        assert np.abs(pixels[0] - pixels[1]).max() <= 1  # libraries round differently


def test_a_table_names_methods_originals_regions_and_directions_and_cells_may_be_empty(tmp_path):
    text = "filename,method,original,roi,direction\na.png,warp,clean/a.png,FFA,increase\nb.png,blur,,,\n"
    one, other = table(tmp_path, text)
    expected = {"filename": "a.png", "method": "warp", "original": "clean/a.png"}
    assert one == expected | {"roi": "FFA", "direction": "increase"}
    assert other == {"filename": "b.png", "method": "blur", "original": "", "roi": "", "direction": ""}


@pytest.mark.parametrize(
    "text",
    [
        "\ufefffilename;method\r\na.png;warp\r\n\r\n",
        "method\tfilename\nwarp\t a.png \n",
        "filename,method\n./a.png,warp\n",
    ],
    ids=["spreadsheet", "tabs", "dot"],
)
def test_tables_of_spreadsheets_and_with_tabs_and_blank_lines_are_read(tmp_path, text):
    (row,) = table(tmp_path, text)
    assert row["filename"] == "a.png" and row["method"] == "warp"


def test_a_path_may_have_the_separators_and_letters_of_another_system(tmp_path):
    put(tmp_path, f"clean/{normalize('NFD', 'café.png')}")
    (row,) = table(tmp_path, "filename,method\nclean\\caf\u00e9.png,warp\n")
    assert row["filename"] in outside.files_of(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "filename,metod\na.png,x\n",
            r"unknown columns 'metod', missing columns method; .* may have original",
        ),
        ("filename,method,region\na.png,x,FFA\n", r"unknown columns 'region', missing columns none"),
        ("", r"missing columns filename, method"),
        ("filename,method,roi\na.png,x,V4\n", r"unknown region 'V4'; this study has FFA, EBA, PPA.*line 2"),
        ("filename,method,direction\na.png,x,up\n", r"unknown direction 'up'; it is increase or decrease"),
        ("filename,method\na.png,\n", r"a method must have a name other than 'all' \(line 2\)"),
        ("filename,method\na.png,all\n", r"a method must have a name other than 'all'"),
        ("filename,method\na.png,x\na.png,y\n", r"'a\.png' is listed twice.*line 3"),
        ("filename,method\n../a.png,x\n", r"line 2: filename is '\.\./a\.png'; it must name a file within"),
        ("filename,method\n/tmp/a.png,x\n", r"must name a file within"),
        ("filename,method\n,x\n", r"line 2: filename is ''"),
        ("filename,method,original\na.png,x,../o.png\n", r"line 2: original is '\.\./o\.png'"),
        ("filename,method\na.png,x,y\n", r"line 2: more cells than columns, the first too many 'y'"),
        ("filename,method,method\na.png,x,y\n", r"the column 'method' is there twice"),
        ("filename,method\n", r"lists no image"),
        (
            "filename,method\nc.png,x\nd.png,x\n",
            r"lists 2 images, and none of them is in the folder.*'c\.png'",
        ),
    ],
)
def test_a_mistake_in_a_table_is_one_error_that_names_it_and_what_is_known(tmp_path, text, words):
    with pytest.raises(ValueError, match=words) as error:
        table(tmp_path, text)
    assert str(tmp_path / outside.TABLE) in str(error.value)


def test_several_mistakes_are_told_at_once_each_with_its_lines(tmp_path):
    lines = [f"i{n}.png,x,V{n % 2},up" for n in range(8)]
    with pytest.raises(ValueError, match="unknown region") as error:
        table(tmp_path, "\n".join(["filename,method,roi,direction", *lines]))
    said = str(error.value)
    assert said.count("unknown region") == 2 and said.count("unknown direction") == 1
    assert "(line 2, line 3, line 4 and 5 more)" in said


def test_a_table_in_another_encoding_is_refused(tmp_path):
    put(tmp_path, "a.png")
    (tmp_path / outside.TABLE).write_bytes("filename,method\na.png,warp\u00e9\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"images\.csv is no table in UTF-8"):
        outside.listed(tmp_path, REGIONS)


def test_a_listed_file_that_is_not_there_stays_in_the_list_beside_others(tmp_path):
    rows = table(tmp_path, "filename,method\na.png,x\ngone.png,x\n")
    assert [row["filename"] for row in rows] == ["a.png", "gone.png"]


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ValueError, match=r"has no image: no file in it ends in \.png, .*\.webp, \.bmp"):
        outside.listed(tmp_path, REGIONS)


def test_folders_are_methods_and_originals_have_the_names_of_the_images(tmp_path):
    put(tmp_path, "Originals/one.png", "gan/one.jpg", "gan/late/one.webp", "gan/nsd_00004.bmp", "loose.png")
    rows = {row["filename"]: row for row in outside.listed(tmp_path, REGIONS)}
    assert len(rows) == 4 and "Originals/one.png" not in rows
    assert rows["gan/one.jpg"]["original"] == rows["gan/late/one.webp"]["original"] == "Originals/one.png"
    assert rows["gan/nsd_00004.bmp"] | {"filename": ""} == {
        "filename": "",
        "method": "gan",
        "original": "nsd_00004",
        "roi": "",
        "direction": "",
    }
    assert rows["loose.png"]["method"] == tmp_path.name


def test_two_originals_of_one_image_are_refused_but_an_equal_name_wins(tmp_path):
    put(tmp_path, "originals/one.png", "originals/one.jpg", "gan/one.png")
    assert outside.listed(tmp_path, REGIONS)[0]["original"] == "originals/one.png"
    put(tmp_path, "gan/one.webp")
    with pytest.raises(
        ValueError, match=r"one\.\w+ and originals/one\.\w+ can both be the original of gan/one"
    ):
        outside.listed(tmp_path, REGIONS)


EXPORTED = """stimulus_id,image_filename,role,maker,control,roi,direction,image_id
stim-1,one.png,original,none,none,all,none,nsd_00001
stim-2,two.png,perturbed,resnet,none,FFA,increase,nsd_00001
stim-3,three.png,control,resnet,blend,FFA,decrease,nsd_00001
stim-4,four.png,control,none,random,all,none,nsd_00002
"""


@pytest.mark.parametrize("form", ["stimulus_set.csv", "stimuli.tsv"])
def test_a_folder_that_this_workflow_exported_has_makers_with_their_controls_as_methods(tmp_path, form):
    put(tmp_path, *(f"stimuli/{name}.png" for name in ("one", "two", "three", "four")))
    text = (
        EXPORTED
        if form.endswith("csv")
        else EXPORTED.replace(",", "\t").replace("image_filename", "filename")
    )
    (tmp_path / form).write_text(text)
    rows = outside.listed(tmp_path, REGIONS)
    assert [row["method"] for row in rows] == ["resnet", "blend of resnet", "random"]
    assert [row["original"] for row in rows] == ["stimuli/one.png", "stimuli/one.png", "nsd_00002"]
    assert [row["roi"] for row in rows] == ["FFA", "FFA", ""]
    assert [row["direction"] for row in rows] == ["increase", "decrease", ""]
    assert all(row["filename"] in outside.files_of(tmp_path) for row in rows)


def test_a_stimulus_set_of_others_is_refused_with_what_it_lacks_and_what_to_write_instead(tmp_path):
    put(tmp_path, "one.png")
    (tmp_path / "stimulus_set.csv").write_text("stimulus_id,image_filename\nx,one.png\n")
    with pytest.raises(
        ValueError, match=r"missing columns role, maker.*write images\.csv with the columns filename"
    ):
        outside.listed(tmp_path, REGIONS)


def test_the_stamp_changes_with_an_image_of_any_kind_and_with_the_table_and_not_with_notes(tmp_path):
    put(tmp_path, "a.png", "b.webp")
    stamps = [outside.stamp(tmp_path)]
    (tmp_path / "notes.txt").write_text("x")
    assert outside.stamp(tmp_path) == stamps[0] and re.fullmatch("[0-9a-f]{16}", stamps[0])
    put(tmp_path, "c.bmp")
    stamps.append(outside.stamp(tmp_path))
    (tmp_path / outside.TABLE).write_text("filename,method\na.png,x\n")
    stamps.append(outside.stamp(tmp_path))
    assert len(set(stamps)) == 3


def test_names_of_another_encoding_and_in_two_forms_of_unicode_are_refused(tmp_path):
    put(tmp_path / "one", "a.png")
    (tmp_path / "one/a.png").rename(os.fsdecode(os.fsencode(tmp_path / "one") + b"/caf\xe9.png"))
    with pytest.raises(ValueError, match="has letters that cannot be shown; rename the file"):
        outside.listed(tmp_path / "one", REGIONS)
    put(tmp_path / "two", normalize("NFC", "café.png"), normalize("NFD", "café.png"))
    with pytest.raises(ValueError, match="is there in two forms of Unicode; keep one"):
        outside.listed(tmp_path / "two", REGIONS)


@pytest.mark.parametrize(
    "text", ['a.png,"warp\nb.png,blur\n', 'a.png,"warp\nb.png,"blur"\n', 'a.png,"w\nb.png,x"\n']
)
def test_a_quotation_mark_too_many_never_swallows_the_rows_after_it(tmp_path, text):
    with pytest.raises(
        ValueError, match=r"images\.csv, line \d: (no line of a table|the cell .* a line break)"
    ):
        table(tmp_path, "filename,method\n" + text)


@pytest.mark.parametrize(("one", "other"), [("warp", "Warp"), ("warp ii", "warp \u2171"), ("1", "1.0")])
def test_two_methods_of_plainly_one_name_are_refused_and_never_scored_apart(tmp_path, one, other):
    with pytest.raises(ValueError, match="differ only in capitals") as refused:
        table(tmp_path, f"filename,method\na.png,{one}\nb.png,{other}\n")
    assert repr(one) in str(refused.value) and repr(other) in str(refused.value)
    put(tmp_path / "folders", f"{one}/a.png", f"{other}/b.png")
    with pytest.raises(ValueError, match="differ only in capitals"):
        outside.listed(tmp_path / "folders", REGIONS)
