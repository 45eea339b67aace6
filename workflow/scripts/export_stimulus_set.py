"""Write the folder of a stimulus set that a laboratory takes and runs (rule export_stimulus_set)."""

from codingaxes import job, provenance
from codingaxes.stimulus_sets import folder
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.stimulus_sets import (
    SELECTION_CURVES,
    SET_EXPERIMENTS,
    SET_POWER,
    SET_PREDICTIONS,
    SET_RANKING,
    SET_STIMULI,
)


def main(run):
    """Read the tables of the set, and write its folder whole or not at all."""
    content = folder.Content(
        name=run.wildcards["set"],
        design=run.params["design"],
        source=run.params["source"],
        stimuli=store.read(run.input["stimuli"], SET_STIMULI),
        predictions=store.read(run.input["predictions"], SET_PREDICTIONS),
        ranking=store.read(run.input["ranking"], SET_RANKING),
        curves=store.read(run.input["curves"], SELECTION_CURVES),
        power=store.read(run.input["power"], SET_POWER),
        experiments=store.read(run.input["experiments"], SET_EXPERIMENTS),
        networks=store.read(run.input["networks"], NETWORKS, ["network", "family"]),
        perturbations=run.input["perturbations"],
        version=provenance.commit_of("Snakefile"),
    )
    folder.write(run.output["folder"], content)


if __name__ == "__main__":
    job.start(main, globals())
