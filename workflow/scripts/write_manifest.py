"""Write the manifest: versions, seeds, settings, hardware, run times, digests (rule write_manifest)."""

import json

from codingaxes import job, manifest, provenance, writing


def main(run):
    """Follow the results back to all jobs that they came from, and describe those."""
    files = [file for files in run.input.values() for file in ([files] if isinstance(files, str) else files)]
    study = manifest.describe(
        files,
        run.params["configuration"],
        run.params["network_seeds"],
        provenance.commit_of("Snakefile"),
        run.params["snakemake"],
    )
    writing.write_text(run.output["manifest"], json.dumps(study, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    job.start(main, globals())
