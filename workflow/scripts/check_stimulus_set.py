"""Check the folder of a stimulus set (rule check_stimulus_set), also one that was sent or copied elsewhere.

As a command: python workflow/scripts/check_stimulus_set.py FOLDER
It prints all findings and exits with 1 if there are any.
"""

import sys
from pathlib import Path

from codingaxes import job, writing
from codingaxes.stimulus_sets import check


def main(run):
    """Write the findings as a table, and fail if there are any."""
    findings = check.findings(run.input["folder"])
    writing.write_csv(run.output["check"], findings, digits=9)
    for line in lines(findings):
        job.log.error(line)
    if len(findings):
        raise ValueError(f"{run.input['folder']} has {len(findings)} findings, listed above")


def lines(findings):
    """Write findings for people to read, one a line."""
    return [f"{row.file}: {row.problem}; {row.what_to_do}" for row in findings.itertuples()]


def command(arguments):
    """Check the folder that a user names; gives the exit code."""
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    findings = check.findings(arguments[0])
    print("\n".join(lines(findings) or [f"{arguments[0]} is whole, and all of it agrees"]))
    return int(len(findings) > 0)


if __name__ == "__main__":
    if "snakemake" in globals() or [Path(name).suffix for name in sys.argv[1:]] == [".json"]:
        job.start(main, globals())
    else:
        sys.exit(command(sys.argv[1:]))
