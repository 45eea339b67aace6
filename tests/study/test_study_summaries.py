"""Summaries of the finished micro study: each is the stated statistic of the rows that it names."""

import numpy as np
import pandas as pd
import pytest
from studies import (
    MODELS,
    NETWORKS,
    RADII,
    ROBUST,
    WANTED,
    natural,
    perturbations,
    read,
    sensitivity,
    signed,
    transfer,
    variants,
)

from codingaxes.estimates import undefined
from codingaxes.names import GROUP, NOISE, SIGNS
from codingaxes.tables.changes import ALGORITHMS, SENSITIVITIES, TRANSFERS
from codingaxes.tables.summaries import NUMBERS

PLACE = ["roi", "direction", "image_id"]
# White noise of the size of an attack, by its name in the table transfer.
NOISES = {"linf": "random_linf", "l2_large": "random_large", "l2_effect": "random_effect"}


def test_the_study_makes_every_figure_with_its_values_and_the_numbers(study):
    figures = study / "results/figures"
    names = {file.stem for file in figures.iterdir()}
    assert len(names) == 28
    for name in names:
        assert (figures / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (figures / f"{name}.png").stat().st_size > 10_000
        assert len(pd.read_csv(figures / f"{name}.csv")) > 1
    numbers = read(study, "results/summaries/numbers.parquet", NUMBERS)
    written = pd.read_csv(study / "results/summaries/numbers.csv")
    assert len(numbers) == len(written) > 20
    assert {"mean_change", "relative_transfer", "similarity", "gradient_cosine"} <= set(numbers.measure)
    assert set(numbers.k) == {0, 1, 2}
    assert len((study / "results/summaries/numbers.txt").read_text().splitlines()) > 20


def test_summaries_of_sensitivity_are_medians_over_the_rows_that_they_name(study):
    table = read(study, "results/summaries/sensitivities.parquet", SENSITIVITIES)
    assert set(table.network) == set(MODELS)
    table = table.set_index(["network", "subject", "roi", "norm", "radius", "kind", "direction"])
    rows = sensitivity(study, ROBUST).query(f"norm == 'l2' and radius == {RADII[1]}")
    subject, group, subjects = (
        rows[rows.subject == "subj02"],
        rows[rows.subject == GROUP],
        rows[rows.subject != GROUP],
    )
    attack = subject.query("roi == 'FFA' and kind == 'attack'")
    scrambled, other = "phase_scrambled", "other_image"
    cells = {
        ("subj02", "FFA", "attack", "increase"): attack.query("direction == 'increase'").change,
        ("subj02", "FFA", "attack", "largest"): attack.change.abs().groupby(attack.image_id).max(),
        ("group", "all", "random", "none"): group.query("kind == 'random'").change,
        ("group", "PPA", scrambled, "both"): group.query(f"roi == 'PPA' and kind == '{scrambled}'").change,
        ("subjects", "EBA", other, "both"): subjects.query(f"roi == 'EBA' and kind == '{other}'").change,
    }
    others = transfer(study).query(f"attack == 'l2' and target == '{ROBUST}' and radius == {RADII[1]}")
    others = others[others.source.isin(set(NETWORKS) - {ROBUST}) & (others.roi == "EBA")]
    cells["group", "EBA", "transferred", "both"] = others.change_target
    sd = natural(study, ROBUST).set_index(["roi", "subject"]).sd
    for (who, roi, kind, direction), changes in cells.items():
        row = table.loc[ROBUST, who, roi, "l2", RADII[1], kind, direction]
        if (roi, who) in sd:  # of a readout that says the same of all images, the unit is rounding
            defined = undefined.moves(sd[roi, who])
            expected = row["median"] / sd[roi, who] if defined else np.nan
            assert row.median_own == pytest.approx(expected, nan_ok=True)
            assert defined or "own predictions" in row.reason
        assert row["median"] == pytest.approx(changes.abs().median()) and row.n_changes == len(changes) > 0
        assert np.isnan(row.ci_low) or row.ci_low <= row["median"] <= row.ci_high
        assert row.n_images == 4
        assert row.n_subjects == (2 if who == "subjects" else 1)


@pytest.mark.parametrize("attack", ["l2", "linf", "l2_apgd", "l2_large", "l2_effect"])
def test_summaries_of_transfer_are_ratios_of_means_over_attacks_that_count(study, attack):
    source, target, roi = "resnet_standard", ROBUST, "PPA"
    rows = pd.concat([transfer(study), transfer(study, "variants")])
    radius = rows.radius[rows.attack == attack].max()
    rows = rows[(rows.roi == roi) & (rows.target == target) & (rows.radius == radius)]
    white = rows[(rows.attack == NOISES.get(attack, "random")) & rows.source.isin([NOISE, source])]
    own = rows[(rows.attack == attack) & (rows.source == target)].set_index(PLACE)
    rows = rows[(rows.attack == attack) & (rows.source == source)]
    own = own.loc[pd.MultiIndex.from_frame(rows[PLACE])].reset_index().set_index(rows.index)
    sign = rows.direction.map(SIGNS)
    in_target, in_source, by_own = (
        change * sign for change in (rows.change_target, rows.change_source, own.change_target)
    )
    counts = rows.reached | (attack != "l2_effect")
    both = counts & (own.reached | (attack != "l2_effect"))
    table = read(study, "results/summaries/transfers.parquet", TRANSFERS)
    wanted = WANTED if attack == "l2_effect" else 0
    table = table.set_index(["attack", "roi", "radius", "wanted", "source", "target"])
    row = table.loc[attack, roi, radius, wanted, source, target]
    assert row.change == pytest.approx(in_target[counts].mean())
    assert row.of_source == pytest.approx(in_target[counts].sum() / in_source[counts].sum())
    assert row.of_target == pytest.approx(in_target[both].sum() / by_own[both].sum())
    assert row["size"] == pytest.approx(rows["size"][counts].mean())
    assert row.reached == pytest.approx(rows.reached.mean())
    white = white.change_target.abs().groupby(white.image_id).mean()
    assert row.noise == pytest.approx(white[rows.image_id[counts]].mean())
    itself = table.loc[attack, roi, radius, wanted, source, source]
    assert itself.of_source == pytest.approx(1, abs=1e-4) and itself.of_target == pytest.approx(1)


def test_algorithms_are_compared_by_their_own_change_and_their_transfer(study):
    table = read(study, "results/summaries/algorithms.parquet", ALGORITHMS)
    assert set(table.attack) == {"l2", "l2_pgd", "l2_apgd"} and (table.radius == max(RADII)).all()
    kinds = ["measure", "family_source", "family_target", "architectures"]
    assert set(table.measure) == {"own change", "relative transfer", "rank agreement"}
    for (measure, *_), rows in table.groupby(kinds):
        reference = set() if measure == "rank agreement" else {"l2"}
        assert set(rows.attack) == {"l2_pgd", "l2_apgd"} | reference
    own = table[(table.measure == "own change") & (table.family_source == "robust")].set_index("attack")
    attacks = pd.concat([perturbations(study, ROBUST), variants(study, ROBUST)])
    attacks = attacks[attacks.radius == max(RADII)]
    for attack in ("l2", "l2_pgd", "l2_apgd"):
        change = signed(attacks[attacks.attack == attack]).mean()
        np.testing.assert_allclose(own.estimate[attack], change, rtol=1e-4)
