"""Evaluate every claim of config/claims.yaml: estimate, interval, test and verdict (rule evaluate_claims)."""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.claims import evaluate, sentences
from codingaxes.tables import store
from codingaxes.tables.claims import CLAIMS, UNITS
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.spaces import RACE_VALUES
from codingaxes.tables.summaries import NETWORK_MEASURES

TABLES = {"units": UNITS, "network_measures": NETWORK_MEASURES, "race_values": RACE_VALUES}


def main(run):
    """Evaluate the definitions as they stand; a table that the study does not have decides nothing."""
    given = evaluate.Given(
        networks=store.read(run.input["networks"], NETWORKS).set_index("network"),
        tables={
            name: store.read(run.input[name], table) if run.input.get(name) else None
            for name, table in TABLES.items()
        },
        permutations=run.params["permutations"],
        rng=lambda *names: np.random.default_rng(run.seed(*names)),
        n_subjects=run.params["n_subjects"],
    )
    table = pd.DataFrame(evaluate.evaluate(run.params["claims"], given))
    table["found"] = [sentences.found(row) for row in table.to_dict("records")]
    table = table[list(CLAIMS.columns)]
    whole = [name for name, spec in CLAIMS.columns.items() if spec.type == "int32"]
    table = table.astype(dict.fromkeys(whole, "int32"))
    store.write(run.output["claims"], CLAIMS, table)
    writing.write_csv(run.output["csv"], table, digits=5)
    writing.write_text(run.output["text"], sentences.page(table))
    for row in table.itertuples():
        job.log.info(f"{row.verdict:12s} {row.title}")


if __name__ == "__main__":
    job.start(main, globals())
