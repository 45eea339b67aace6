"""Keep finished pictures and their rows until a job is done, so that a stopped job resumes."""

import shutil
from pathlib import Path
from urllib.parse import quote

from codingaxes import writing
from codingaxes.synthesis import pictures

PARTS_OF_NAME = ("kind", "arm", "control", "roi", "direction", "start", "image_id")


class Album:
    """Collect parts of a table whose rows each have a picture; see `job.Shards`.

    Parameters
    ----------
    run : job.Run
    table : tables.columns.Table
        With the columns file and sha256.
    """

    def __init__(self, run, table):
        self.shards, self.folder = run.shards(table), Path(run.output["pictures"])
        self.kept = self.shards.folder.parent / "pictures"
        self.kept.mkdir(parents=True, exist_ok=True)
        self.table = table

    def missing(self, parts):
        """List the parts that no earlier run has finished, or whose pictures were damaged since."""
        for part in parts:
            if self.shards.has(part) and not self.has_pictures(part):
                self.shards.drop(part)
        return self.shards.missing(parts)

    def has_pictures(self, part):
        """Tell whether the pictures of a finished part are as they were made."""
        rows = self.shards.read(part)
        try:
            pictures.read([self.kept / Path(file).name for file in rows.file], rows.sha256)
        except (OSError, ValueError):
            return False
        return True

    def save(self, part, rows, saved):
        """Keep the rows of a part and their pictures (rows, 3, h, w), 8-bit; the pictures first."""
        names = [name_of(row) for row in rows.itertuples()]
        digests = [
            pictures.save(picture, self.kept / name) for picture, name in zip(saved, names, strict=True)
        ]
        rows = rows.assign(file=[str(self.folder / name) for name in names], sha256=digests)
        self.shards.save(part, rows[list(self.table.columns)])

    def write(self, table_file, folder, parts):
        """Move the pictures to their folder, and write the parts as one table."""
        shutil.rmtree(folder, ignore_errors=True)
        halves = shutil.ignore_patterns(f"{writing.MARK}*")
        shutil.copytree(self.kept, folder, ignore=halves, copy_function=writing.copy)
        self.shards.write(table_file, parts)
        self.shards.remove()  # first, as they say that the pictures are there
        shutil.rmtree(self.kept)
        self.shards.remove()  # the folder of the job, which is empty now


def name_of(row):
    """Name the file of a picture by what it is; an image_id with a folder keeps its slash as %2F."""
    words = [quote(str(getattr(row, name)), safe="") for name in PARTS_OF_NAME]
    limited = "limited" if row.limited else "free"
    return "-".join([*words, str(row.draw), limited, f"{row.step:02d}"]) + ".png"
