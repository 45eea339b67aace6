"""Write the manifest of a study, and the same as an RO-Crate (rule write_manifest)."""

import json

from codingaxes import crate, job, manifest, provenance, writing


def main(run):
    """Follow the results back to all jobs that they came from, and describe those."""
    files = [file for files in run.input.values() for file in ([files] if isinstance(files, str) else files)]
    jobs = manifest.jobs_of(files)
    study = manifest.describe(
        files,
        jobs,
        run.params["configuration"],
        run.params["network_seeds"],
        provenance.commit_of("Snakefile"),
        run.params["snakemake"],
    )
    write(run.output["manifest"], study)
    write(run.output["crate"], crate.describe(jobs, study, run.params["licence"]))


def write(path, content):
    """Write JSON that people can read too."""
    writing.write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    job.start(main, globals())
