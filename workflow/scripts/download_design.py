"""NSD's experimental design (rule download_design)."""

from codingaxes import downloads, job, nsd


def main(run):
    """One small file, which says which images are needed."""
    downloads.mirror(run.site["endpoint"], nsd.root_of(run.output["design"]), [run.output["design"]])


if __name__ == "__main__":
    job.start(main, globals())
