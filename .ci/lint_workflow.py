"""Run Snakemake's own linter with some arguments, and fail on all that it finds but one thing.

Snakemake wants functions in a file without rules. Here a function that serves one rule file stands in it, so
that a rule can be understood without leaving its file; functions of several files are in rules/common.smk.
"""

import re
import subprocess
import sys

ACCEPTED = {"Mixed rules and functions in same snakefile."}


def main(arguments):
    """Print what the linter says and exit with 1 if a finding is not accepted, or nothing could be read."""
    command = [sys.executable, "-m", "snakemake", "--lint", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, **pipes, text=True, check=False)
    findings = set(re.findall(r"^ +\* (.+):$", done.stdout, re.MULTILINE))
    if done.returncode and (findings - ACCEPTED or not findings):
        sys.exit(done.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
