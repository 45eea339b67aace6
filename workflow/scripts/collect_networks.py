"""One table of all networks, in the order of the configuration (rule collect_networks)."""

from codingaxes import job, tables


def main(run):
    """Parquet for later rooms, CSV for readers."""
    networks = tables.read(run.input["networks"], "networks")
    tables.write(run.output["networks"], "networks", networks)
    networks.to_csv(run.output["csv"], index=False, float_format="%.4g")


if __name__ == "__main__":
    job.start(main, globals())
