"""One table of what all networks are and can do (rule collect_checks)."""

from codingaxes import job, tables


def main(run):
    """CSV for readers; the log names every network with a problem."""
    checks = tables.read(run.input["checks"], "network_checks")
    whole = checks.astype({"parameters": "Int64"})
    whole.to_csv(run.output["csv"], index=False, float_format="%.4g")
    for row in checks[checks.problem != ""].itertuples():
        job.log.warning(f"{row.network}: {row.problem}")
    sound = checks[(checks.problem == "") & checks.jvp & checks.vjp]
    job.log.info(f"{len(sound)} of {len(checks)} networks answer and differentiate both ways")


if __name__ == "__main__":
    job.start(main, globals())
