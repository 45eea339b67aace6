"""Download the masks, labels, maps and behaviour of one subject of NSD (rule download_anatomy)."""

from codingaxes import job
from codingaxes.downloads import fetch
from codingaxes.nsd import layout


def main(run):
    """Fetch every declared output; a file that NSD lacks is an error that names it."""
    files = [
        file for output in run.output.values() for file in (output if isinstance(output, list) else [output])
    ]
    fetch.mirror(run.params["endpoint"], layout.root_of(files[0]), files, connections=run.threads)


if __name__ == "__main__":
    job.start(main, globals())
