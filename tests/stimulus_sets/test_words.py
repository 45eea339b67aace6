"""The README of a set states what the tables hold, with their numbers, and what may not be claimed."""

import re

import numpy as np
import pandas as pd
import planted_sets
import pytest
from exported_sets import content, export

from codingaxes.names import BRAIN
from codingaxes.stimulus_sets import results, words


@pytest.fixture(scope="module")
def text(exported):
    """The README of the planted set, on one line."""
    return " ".join((exported / "README.md").read_text().split())


def test_it_says_what_and_how_many(text):
    assert text.startswith("# Planted perturbations Does the brain follow perturbations")
    assert "has 118 stimuli: 2 natural images, 32 images made for models, and 84 controls" in text
    assert "commit 0123abc" in text and "32 x 32 pixels" in text


def test_it_names_every_file_of_the_folder(exported):
    readme = (exported / "README.md").read_text()
    named = set(re.findall(r"`([\w.*-]+)`", readme))
    for file in exported.iterdir():
        pattern = re.sub(r"^stim-\w+_image", "stim-..._image", file.name)
        pattern = re.sub(r"^contact_sheet.*\.png", "contact_sheet*.png", pattern)
        assert pattern in named or file.name == "README.md", file.name


def test_it_says_how_many_trials_give_which_power(text):
    assert (
        "| robust - standard | FFA | robust | 1.5 | 4 subjects x 1 repetition (16 trials each) | 0.83 |"
        in text
    )
    assert (
        "| robust - standard | PPA | standard | 0 | none of those tried; the best: 1 subject x 1 repetition "
        "| 0.05 |" in text
    )
    assert "no difference |" in text and "smallest with power 0.8" in text


def test_it_counts_the_pairs_of_every_region_as_some_may_be_lost(text, working):
    power = content(working).power.drop_duplicates("roi").set_index("roi")
    for roi, row in power.iterrows():
        assert f"{row.n_pairs} pairs of {row.n_images} images in {roi}" in text


def test_it_names_a_compared_family_that_nobody_is_left_of_to_predict(text, working, tmp_path):
    said = "No prediction is by robust networks"
    power = content(working).power.query("predicted_by != 'robust'")
    readme = (export(working, tmp_path / "one", power=power) / "README.md").read_text()
    assert said in readme and said not in text


def test_a_set_of_the_most_telling_stimuli_says_how_many_tell_the_right_family(working, tmp_path):
    ranking = content(working).ranking
    ranking = ranking.assign(chosen=ranking["rank"] <= 5)
    design = {"choose": "information", "number": 5}
    readme = export(working, tmp_path / "few", design, ranking=ranking) / "README.md"
    said = " ".join(readme.read_text().split())
    assert "## How many stimuli tell the right family" in said and "## How many trials" not in said
    # 1 - exp(-n) / 2 of the planted curve, at 1, at half of the largest below 5, and there
    assert "| who answers | right family | right after 1 | right after 2 | right after 4 |" in said
    assert "| simulated brain | robust | 0.82 | 0.93 | 0.99 |" in said
    assert (
        "by how likely the measured changes are" in said and "the test that this set was planned" not in said
    )


def test_without_a_ranking_it_says_why_nothing_is_known_of_the_right_family(working, tmp_path):
    curves = content(working).curves.assign(right=float("nan"), reason="fewer than two families")
    readme = export(working, tmp_path / "none", {"choose": "information"}, curves=curves) / "README.md"
    assert "No experiment was simulated: fewer than two families." in readme.read_text()


def test_it_says_in_which_regions_the_power_is_reached(text, working, tmp_path):
    assert "- If robust is right, power 0.8 is reached in FFA, PPA. - If standard is right, power" in text
    assert "If standard is right, power 0.8 is reached in no region." in text
    power = content(working).power
    only = power.assign(enough=power.enough & (power.roi == "PPA") & (power.predicted_by == "robust"))
    readme = (export(working, tmp_path / "one", power=only) / "README.md").read_text()
    assert "- If robust is right, power 0.8 is reached in PPA; not in FFA." in readme
    none = (export(working, tmp_path / "none", power=power.assign(enough=False)) / "README.md").read_text()
    assert "**No experiment that was tried has power 0.8, in any region and by any prediction.**" in none


def test_it_says_whether_the_experiment_on_the_simulated_brain_found_it(text):
    assert (
        "| robust - standard | PPA | robust | 2 x 16 | 1.5 | 1.2 | 1.1 [0.7, 1.5] | 0.004 | yes | 0.76 |"
        in text
    )


def test_it_says_how_far_the_match_is_off_in_the_saved_files(text, exported):
    stimuli = pd.read_csv(exported / "stimuli.tsv", sep="\t").query("step == 2 and control == 'blend'")
    off = (stimuli.l2 / 1.2 - 1).abs().max()
    assert 0 < off < 0.02
    span = f"{stimuli.l2.min():.4g} | {stimuli.l2.max():.4g} | {off:.2%} |"
    assert f"another natural image | 2 | l2 size | 1.2 | {len(stimuli)} | {span}" in text


def test_it_says_how_many_searches_fell_short(text, working, tmp_path):
    assert "Of 32 images made for models, 0 did not reach what was wanted, and 0 might come nearer" in text
    stimuli = content(working).stimuli
    short = stimuli.stimulus_id.isin(["stim-0003", "stim-0004"])
    stimuli = stimuli.assign(reached=~short, converged=stimuli.stimulus_id != "stim-0003")
    readme = (export(working, tmp_path / "set", stimuli=stimuli) / "README.md").read_text()
    said = "Of 5 images made for models, 2 did not reach what was wanted, and 1 might come nearer"
    assert said in " ".join(readme.split())


def test_it_states_the_planted_changes_of_the_maker_of_families_and_of_the_brain(text):
    headers = "| stimuli | maker | step | the maker itself | standard | robust | simulated brain |"
    assert headers in text
    # SD per l2 times the size: of the maker, of standard, of robust, of the brain
    assert "| made for the maker | robust | 2 | 4.8 | 0.96 | 2.4 | 1.8 |" in text
    assert "| made for the maker | standard | 2 | 4.8 | 0.24 | 0.12 | 0 |" in text
    assert "| control: step towards another natural image | none | 1 | – | 0.12 | 0.12 | 0.12 |" in text


def test_it_forbids_claims_and_says_so_of_the_miniature(text, working, tmp_path):
    assert "You cannot claim" in text and "whose brain is simulated" in text
    assert "on 2 natural images and the regions FFA, PPA" in text
    assert "perturbations of equal norm look equally strong" in text
    other = (export(working, tmp_path / "set", source="own") / "README.md").read_text()
    assert "whose brain is simulated" not in other and "is **unknown**" in other


def test_it_says_that_stimuli_were_chosen_where_they_were(text, working, tmp_path):
    said = "Of 32 stimuli made for models, the 5 were kept from which most would be learned"
    few = export(working, tmp_path / "few", {"choose": "information", "number": 5})
    assert said in " ".join((few / "README.md").read_text().split()) and said not in text


def test_it_says_who_has_read_the_terms(working, tmp_path):
    design = {"public": True, "terms_read": "A. Reader, 2026-05-01"}
    readme = (export(working, tmp_path / "set", design, source="nsd") / "README.md").read_text()
    assert "Terms were read by: A. Reader, 2026-05-01." in readme
    assert "**NSD's own terms apply too**" in " ".join(readme.split())
    assert "not mark" not in readme


def test_a_match_in_effect_is_measured_by_the_makers_own_prediction(working):
    whole = content(working)
    stimuli = whole.stimuli.assign(matched="effect", effect=4.0 * whole.stimuli.radius, radius=np.nan)
    off = results.match(stimuli, whole.predictions)
    effects = off[off.what == "effect"]
    assert list(effects.control) == ["none"] * 2 and list(effects.n_stimuli) == [16, 16]
    # images follow 0.8 and 1.2 of what is planted on average
    np.testing.assert_allclose(effects.off, 0.2)
    np.testing.assert_allclose(effects.wanted, [1.6, 4.8])


def test_controls_of_a_match_in_effect_are_held_to_the_size_of_the_makers_perturbation(working):
    whole = content(working)
    stimuli = whole.stimuli.assign(matched="effect", effect=1.0, radius=np.nan)
    scrambled = stimuli.control == "phase_scrambled"
    made = stimuli[stimuli.role == "perturbed"]
    stimuli.loc[scrambled, "l2"] = made.l2.to_numpy() * 1.1
    off = results.match(stimuli, whole.predictions).query("what == 'maker'").set_index("control")
    np.testing.assert_allclose(off.off["phase_scrambled"], 0.1)
    assert (off.off["other_image"] < 0.03).all() and "blend" not in off.index


def test_a_match_in_levels_is_measured_in_levels(working):
    whole = content(working)
    stimuli = whole.stimuli.assign(matched="effect", wanted_level=1.5, radius=np.nan)
    off = results.match(stimuli, whole.predictions)
    off = off[off.what == "wanted_level"]
    assert list(off.n_stimuli) == [16, 16]
    own = whole.predictions.query("subject == 'group'").merge(
        stimuli.query("role == 'perturbed'"),
        left_on=["stimulus_id", "network", "roi"],
        right_on=["stimulus_id", "maker", "roi"],
    )
    assert off.off.max() == pytest.approx((own.level - 1.5).abs().max())


def test_changes_without_a_wanted_direction_are_absolute(working):
    whole = content(working)
    predictions = whole.predictions.copy()
    noise = predictions.stimulus_id.isin(whole.stimuli.stimulus_id[whole.stimuli.control == "random"])
    predictions.loc[noise, "change"] = np.where(predictions.roi[noise] == "FFA", -0.5, 0.3)
    means = results.mean_changes(whole.stimuli, predictions, planted_sets.ZOO).set_index("control")
    assert means[BRAIN]["random"].tolist() == pytest.approx([0.4, 0.4])


def test_the_smallest_experiment_has_the_fewest_trials_and_then_the_fewest_subjects():
    power = pd.DataFrame(
        [(1, 8, 0.9, True), (2, 4, 0.85, True), (4, 1, 0.7, False), (4, 4, 0.99, True)],
        columns=["n_subjects", "n_repetitions", "power", "enough"],
    ).assign(contrast="c", roi="FFA", predicted_by="robust", n_pairs=3)
    smallest = results.smallest_experiments(power)
    assert smallest[["n_subjects", "n_repetitions", "n_trials"]].to_numpy().tolist() == [[1, 8, 48]]
    none = results.smallest_experiments(power.assign(enough=False))
    assert none.power.tolist() == [0.99]
    undefined = results.smallest_experiments(power.assign(enough=False, power=np.nan))
    assert undefined.n_subjects.tolist() == [4] and undefined.power.isna().all()


def test_what_is_undefined_is_a_dash_with_its_reason(working, tmp_path):
    whole = content(working)
    reason = "no readout of another architecture"
    nothing = {"power": np.nan, "effect": np.nan, "false_alarms": np.nan, "enough": False, "reason": reason}
    undefined = {"measured": np.nan, "low": np.nan, "high": np.nan, "p": np.nan, "predicted": np.nan}
    changes = {"power": whole.power.assign(**nothing)}
    changes |= {"experiments": whole.experiments.assign(**undefined, found=False, reason=reason)}
    changes |= {"ranking": whole.ranking.assign(gain=np.nan)}
    readme = (export(working, tmp_path / "set", **changes) / "README.md").read_text()
    assert f"| – | {reason} |" in readme and f"| no | 0.76 | {reason} |" in readme
    assert "nan" not in readme and "If makers did not matter" not in readme
    stimuli = pd.read_csv(tmp_path / "set/stimuli.tsv", sep="\t", dtype=str, keep_default_na=False)
    assert set(stimuli.gain) == {"n/a"}


def test_a_bar_in_a_cell_does_not_break_a_table():
    assert words.table(["a"], [["x | y"]]).splitlines()[2] == "| x \\| y |"
