"""Masks, labels, maps and behaviour of one subject of NSD (rule download_anatomy)."""

from codingaxes import downloads, job, nsd


def main(run):
    """Fetch every declared output; a file that NSD lacks is an error that names it."""
    files = [
        file for output in run.output.values() for file in (output if isinstance(output, list) else [output])
    ]
    downloads.mirror(run.site["endpoint"], nsd.root_of(files[0]), files, connections=run.threads)


if __name__ == "__main__":
    job.start(main, globals())
