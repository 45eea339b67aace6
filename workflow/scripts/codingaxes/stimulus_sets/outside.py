"""List the images of a folder that was made elsewhere: which method made each, of what, and what for.

Only the standard library is used: Snakemake calls this while it plans.
"""

import csv
import hashlib
import re
from pathlib import Path

from codingaxes.names import SIGNS
from codingaxes.nsd import pictures
from codingaxes.nsd.pictures import normal

SUFFIXES = (*pictures.SUFFIXES, ".webp", ".bmp")
TABLE, ORIGINALS = "images.csv", "originals"
EXPORTED = ("stimulus_set.csv", "stimuli.tsv")  # of a folder that this workflow exported; one is enough
COLUMNS = ("filename", "method", "original", "roi", "direction")
NEEDED = ("filename", "method")
# What a table of an exported folder must have, beside a column of file names.
OF_EXPORTED = ("role", "maker", "control", "roi", "direction", "image_id")
FILE_COLUMNS = ("filename", "image_filename")
POOLED = "all"  # a method of this name would be taken for all methods together
NONE = "none"  # as a maker or a direction: there is none
CONTROL = re.compile("[\x00-\x1f\x7f]")  # signs that no name has
SHOWN = 3  # lines of a table that an error names


def files_of(folder):
    """Find the image files of a folder and of the folders in it.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    dict, str -> Path
        By their names within the folder, with / between the parts, in Unicode's form NFC.

    Raises
    ------
    ValueError
        If two names are the same but for the form of a letter, or a name is no text.
    """
    files = {}
    for path in (path for paths in pictures.find(folder, SUFFIXES).values() for path in paths):
        name = normal(path.relative_to(folder).as_posix())
        if not name.isprintable():  # bytes of another encoding are not
            raise ValueError(f"{folder}: the name {name!r} has letters that cannot be shown; rename the file")
        if name in files:
            raise ValueError(f"{folder}: {name!r} is there in two forms of Unicode; keep one")
        files[name] = path
    return files


def listed(folder, regions):
    """List the images of a folder with their methods.

    Parameters
    ----------
    folder : path-like
        With a table images.csv; or one that this workflow exported; or with a subfolder for each method, and
        one called originals that has the original of an image under the name of the image. A method may have
        folders of its own, for instance one for each size. Images outside of any subfolder are those of a
        method that is called as the folder. An image without an original is taken for one of the image of
        the study whose id is its name, if there is one.
    regions : sequence of str
        Of the study.

    Returns
    -------
    list of dict
        filename; method; original: a file of the folder or the id of an image of the study, empty if none is
        given; roi: empty for all regions; direction: increase, decrease, or empty if none was wanted.

    Raises
    ------
    ValueError
        If there is no image, or a table has an unknown column, region, or direction, lacks a column, a method
        or a file name, or lists a file twice; names the table and the line, and what is known.
    """
    folder = Path(folder)
    files = files_of(folder)
    if not files:
        raise ValueError(f"{folder} has no image: no file in it ends in {', '.join(SUFFIXES)}")
    exported = [name for name in EXPORTED if (folder / name).is_file()]
    if (folder / TABLE).is_file():
        where, rows = folder / TABLE, _of_table(folder / TABLE)
    elif exported:
        where, rows = folder / exported[0], _of_exported(folder / exported[0], files)
    else:
        where, rows = folder, _of_folders(folder, files)
    if not rows:
        raise ValueError(f"{where} lists no image to score")
    _check_rows(rows, where, regions)
    if not any(row["filename"] in files for row in rows):
        raise ValueError(
            f"{where} lists {len(rows)} images, and none of them is in the folder, the first "
            f"{rows[0]['filename']!r}; names are relative to {folder}"
        )
    return [{column: row[column] for column in COLUMNS} for row in rows]


def stamp(folder):
    """Give a text that changes when an image, or a table that says what images are, is replaced."""
    tables = [Path(folder, name) for name in (TABLE, *EXPORTED)]
    content = [pictures.stamp(folder, SUFFIXES), *(file.read_bytes() for file in tables if file.is_file())]
    return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


def _of_table(path):
    """Read the rows of images.csv."""
    columns, rows = _read(path)
    unknown = [name for name in columns if name not in COLUMNS]
    lacking = [name for name in NEEDED if name not in columns]
    if unknown or lacking:
        raise ValueError(
            f"{path}: unknown columns {', '.join(map(repr, unknown)) or 'none'}, missing columns "
            f"{', '.join(lacking) or 'none'}; a table of images has {', '.join(NEEDED)} and may have "
            f"{', '.join(name for name in COLUMNS if name not in NEEDED)}"
        )
    return [
        dict.fromkeys(COLUMNS, "")
        | row
        | {"filename": _within(path, row, "filename")}
        | ({"original": _within(path, row, "original")} if row.get("original") else {})
        for row in rows
    ]


def _of_exported(path, files):
    """Read the rows of a folder that this workflow exported: a method is a maker with its control."""
    columns, rows = _read(path)
    column = next((name for name in FILE_COLUMNS if name in columns), None)
    lacking = [name for name in OF_EXPORTED if name not in columns]
    if column is None or lacking:
        raise ValueError(
            f"{path}: missing columns {', '.join(lacking) or FILE_COLUMNS[0]}, which a folder that this "
            f"workflow exported has. Of images from elsewhere, write {TABLE} with the columns "
            f"{', '.join(COLUMNS)}"
        )
    for row in rows:
        row["filename"] = _only(_within(path, row, column), files)
    originals = {row["image_id"]: row["filename"] for row in rows if row["role"] == "original"}
    return [
        {
            "line": row["line"],
            "filename": row["filename"],
            "method": _method(row["maker"], row["control"]),
            "original": originals.get(row["image_id"], row["image_id"]),
            "roi": "" if row["roi"] == POOLED else row["roi"],
            "direction": row["direction"],
        }
        for row in rows
        if row["role"] != "original"
    ]


def _method(maker, control):
    """Name what made an image of an exported folder."""
    if control in ("", NONE):
        return maker
    return control if maker in ("", NONE) else f"{control} of {maker}"


def _only(name, files):
    """Give the one file of a name, or else the one whose last part is that of the name."""
    if name in files:
        return name
    same = [file for file in files if file.rpartition("/")[2] == name.rpartition("/")[2]]
    return same[0] if len(same) == 1 else name


def _of_folders(folder, files):
    """Take the names of subfolders for methods, and files of equal names in `originals` for originals."""
    originals = {}  # names within the folder of originals, without and with the suffix
    for name in files:
        first, _, rest = name.partition("/")
        if rest and first.casefold() == ORIGINALS:
            for key in (rest, _stem(rest)):
                originals.setdefault(key, []).append(name)
    rows = []
    for name in files:
        first, _, rest = name.partition("/")
        if rest and first.casefold() == ORIGINALS:
            continue
        method, rest = (first, rest) if rest else (normal(folder.resolve().name), name)
        last = rest.rpartition("/")[2]  # a method may have folders of its own, for instance one a size
        same = next(
            (originals[key] for key in (rest, _stem(rest), last, _stem(last)) if key in originals), []
        )
        if len(same) > 1:
            raise ValueError(
                f"{folder}: {' and '.join(same)} can both be the original of {name}; keep one of them, or "
                f"say in {folder / TABLE} which it is"
            )
        original = same[0] if same else _stem(rest)
        rows.append({"filename": name, "method": method, "original": original, "roi": "", "direction": ""})
    return rows


def _stem(name):
    """Take the suffix from the name of a file."""
    return name.rpartition(".")[0]


def _read(path):
    """Read a table as text: the names of its columns, and a dict with its line for each row."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no table in UTF-8 ({error}); save it as CSV in UTF-8") from None
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)  # a comma where there is none
    lines = text.splitlines(keepends=True)
    reader = csv.DictReader(lines, delimiter=delimiter, restkey="", restval="", strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: no line of a table: {error}") from None
    columns = [name.strip() for name in reader.fieldnames or []]
    for line, row in rows:
        if "" in row and "" not in columns:
            raise ValueError(
                f"{path}, line {line}: more cells than columns, the first too many {row[''][0]!r}"
            )
        broken = [value for value in row.values() if isinstance(value, str) and CONTROL.search(value)]
        if broken:
            raise ValueError(
                f"{path}, line {line}: the cell {broken[0]!r} has a line break or another control "
                "character; is there a quotation mark too many?"
            )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: the column {twice[0]!r} is there twice; keep one")
    return columns, [
        {key.strip(): value.strip() for key, value in row.items()} | {"line": line}
        for line, row in rows
        if any(value.strip() for value in row.values())
    ]


def _within(path, row, column):
    """Give the name of a file as names in a folder are; refuse one outside of it, or none."""
    name = normal(row[column].replace("\\", "/")).removeprefix("./")
    if not name or name.startswith("/") or name[1:2] == ":" or ".." in name.split("/"):
        raise ValueError(
            f"{path}, line {row['line']}: {column} is {row[column]!r}; it must name a file within "
            f"{path.parent}, relative to it"
        )
    return name


def _check_rows(rows, where, regions):
    """Refuse rows without a method, of unknown regions or directions, and a file that is listed twice."""
    seen, known = {}, ", ".join(regions)
    problems = {}
    for row in rows:
        if row["direction"] == NONE:
            row["direction"] = ""
        row["roi"] = normal(row["roi"])
        place = f"line {row['line']}" if "line" in row else row["filename"]
        if row["method"] in ("", POOLED):
            said = f"a method must have a name other than {POOLED!r}"
            problems.setdefault(said, []).append(place)
        if row["roi"] and row["roi"] not in regions:
            said = f"unknown region {row['roi']!r}; this study has {known}, and an empty cell means all"
            problems.setdefault(said, []).append(place)
        if row["direction"] and row["direction"] not in SIGNS:
            said = f"unknown direction {row['direction']!r}; it is {' or '.join(SIGNS)}, or empty"
            problems.setdefault(said, []).append(place)
        if row["filename"] in seen:
            said = f"{row['filename']!r} is listed twice; for several regions leave its roi empty"
            problems.setdefault(said, []).append(place)
        seen[row["filename"]] = place
    if pair := pictures.alike(dict.fromkeys(row["method"] for row in rows)):
        said = (
            f"the methods {pair[0]!r} and {pair[1]!r} differ only in capitals, kinds of blanks or letters, "
            "or in how a number is written; write one of them, or rename one"
        )
        problems[said] = [row["filename"] for row in rows if row["method"] == pair[1]]
    if problems:
        lines = [f"{said} ({_some(places)})" for said, places in problems.items()]
        raise ValueError(f"{where}: " + "\n  ".join(lines))


def _some(places):
    """Name the first places of a problem, and count the others."""
    others = len(places) - SHOWN
    return ", ".join(places[:SHOWN]) + (f" and {others} more" if others > 0 else "")
