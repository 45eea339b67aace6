"""Download NSD's experimental design (rule download_design)."""

from codingaxes import job
from codingaxes.downloads import fetch
from codingaxes.nsd import layout


def main(run):
    """Fetch one small file, which says which images are needed."""
    design = run.output["design"]
    fetch.mirror(run.params["endpoint"], layout.root_of(design), [design])


if __name__ == "__main__":
    job.start(main, globals())
