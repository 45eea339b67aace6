"""Collect what all networks are and can do in one table (rule collect_checks)."""

from codingaxes import job
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORK_CHECKS


def main(run):
    """Write a CSV for readers, and name every network with a problem in the log."""
    checks = store.read(run.input["checks"], NETWORK_CHECKS)
    whole = checks.astype({"parameters": "Int64"})
    whole.to_csv(run.output["csv"], index=False, float_format="%.4g")
    for row in checks[checks.problem != ""].itertuples():
        job.log.warning(f"{row.network}: {row.problem}")
    sound = checks[(checks.problem == "") & checks.jvp & checks.vjp]
    job.log.info(f"{len(sound)} of {len(checks)} networks answer and differentiate both ways")


if __name__ == "__main__":
    job.start(main, globals())
