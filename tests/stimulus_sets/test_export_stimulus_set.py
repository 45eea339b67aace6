"""The rule's script writes the folder from the tables of the rules before it."""

import export_stimulus_set
import planted
import planted_sets

from codingaxes.job import Run
from codingaxes.stimulus_sets import check


def test_the_script_writes_a_sound_folder(working, tmp_path):
    networks = planted.plant(tmp_path, "networks", planted_sets.ZOO)
    names = ("stimuli", "pictures", "perturbations", "predictions", "ranking")
    names += ("curves", "power", "experiments")
    inputs = {name: getattr(working, name) for name in names} | {"networks": networks}
    params = {"design": working.design, "source": "miniature"}
    output, log = {"folder": str(tmp_path / "sets/talk")}, str(tmp_path / "log")
    export_stimulus_set.main(Run("export_stimulus_set", inputs, output, params, {"set": "talk"}, log))
    assert check.findings(tmp_path / "sets/talk").empty
    assert "The set `talk` has 118 stimuli" in (tmp_path / "sets/talk/README.md").read_text()
