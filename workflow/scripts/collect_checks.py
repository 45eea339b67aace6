"""Collect what all networks are and can do in one table (rule collect_checks)."""

from codingaxes import job, writing
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORK_CHECKS


def main(run):
    """Write a CSV for readers; if a network does not answer, name each such network, and fail."""
    checks = store.read(run.input["checks"], NETWORK_CHECKS)
    whole = checks.astype({"parameters": "Int64"})
    writing.write_csv(run.output["csv"], whole, digits=4)
    silent = checks[checks.problem != ""]
    for row in silent.itertuples():
        job.log.error(f"{row.network}: {row.problem}")
    sound = checks[(checks.problem == "") & checks.jvp & checks.vjp]
    job.log.info(f"{len(sound)} of {len(checks)} networks answer and differentiate both ways")
    if len(silent):
        raise ValueError(
            f"{len(silent)} of {len(checks)} networks do not answer: {', '.join(silent.network)}; the lines "
            "above say why. Correct their rows in the table of networks, or remove them"
        )


if __name__ == "__main__":
    job.start(main, globals())
