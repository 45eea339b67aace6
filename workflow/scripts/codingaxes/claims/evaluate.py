"""Evaluate the definitions of claims on tables: a row of the table claims for each."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from codingaxes.claims import kinds, verdicts
from codingaxes.claims.forms import tests_of
from codingaxes.estimates import families, permutations, undefined

FAMILIES = ("standard", "robust")
SUBSTITUTE = {"largest": "max", "smallest": "min"}
TESTS = {
    "mean": "Student's t of the margin",
    "difference": "labels permuted within architectures, two-sided",
    "slope": "Student's t of the margin",
    "adjusted": "regression, permuted within architectures, two-sided",
    "pairs": "regression over pairs, networks permuted, two-sided",
    "stronger": "outcomes of networks permuted, two-sided",
}
TWO_TESTS = "two one-sided tests (Student's t) of the margins"
FILES = {
    "units": "results/claims/units.parquet",
    "race_values": "results/summaries/race_values.parquet",
}
NO_TABLE = "{} is not there: this study does not measure it"
NO_ROW = "no row of {} with {}"
NEVER = np.nan


@dataclass(frozen=True)
class Given:
    """The tables that claims are evaluated on, and how often things are permuted."""

    networks: pd.DataFrame  # the table networks, indexed by network
    tables: dict  # units, race_values, network_measures: frames, or None where a study has none
    permutations: int
    rng: callable  # names -> numpy.random.Generator
    n_subjects: int = 1


@dataclass(frozen=True)
class Part:
    """One test of a claim: what it is about, where it wants the interval, and what was found."""

    name: str
    kind: str
    side: kinds.Side
    found: kinds.Evidence
    where: str

    def verdict(self, negligible, p):
        """Decide nothing where a number is missing, or an interval is not over what the claim is about."""
        if self.found.reason:
            return verdicts.UNDECIDED
        return verdicts.verdict(self.side, self.found.interval, self.found.narrow, negligible, p)


def evaluate(claims, given):
    """Evaluate all claims, and adjust the p-values of the confirmatory ones by Holm.

    Parameters
    ----------
    claims : dict
        From `definitions.read`.
    given : Given

    Returns
    -------
    list of dict
        Rows of the table claims, without `found`.
    """
    parts = {name: list(parts_of(name, claim, given)) for name, claim in claims.items()}
    p_values = np.array([largest_p(some) for some in parts.values()])
    confirmatory = np.array([claim["confirmatory"] for claim in claims.values()])
    adjusted = verdicts.holm(np.where(confirmatory, p_values, NEVER))
    counted = np.where(confirmatory, adjusted, p_values)
    return [
        described(name, number, claim, parts[name], adjusted[number - 1], counted[number - 1])
        | {"n_subjects": given.n_subjects}
        for number, (name, claim) in enumerate(claims.items(), start=1)
    ]


def largest_p(parts):
    """Give the p-value of a claim whose parts must all hold: the largest; NaN if one has none.

    Source
    ------
    R. L. Berger, Technometrics 24 (1982) 295-300: the intersection-union test.
    """
    return float(np.max([part.found.p for part in parts]))


def parts_of(name, claim, given):
    """Yield the parts of a claim: every test, and every value of the columns `each` of it."""
    for number, test in enumerate(tests_of(claim)):
        side = kinds.Side(test["side"], float(test["margin"]))
        table = given.tables.get(test["table"])
        prefix = f"{next(iter(test['where'].values()))} " if number else ""
        if table is None:
            found = kinds.Evidence(reason=NO_TABLE.format(FILES[test["table"]]))
            yield Part(prefix.strip(), test["kind"], side, found, "")
            continue
        rows, where = select(table, test["where"])
        if rows.empty:
            found = kinds.Evidence(reason=NO_ROW.format(FILES[test["table"]], where))
            yield Part(prefix.strip(), test["kind"], side, found, where)
            continue
        others = select(table, {**test["where"], **test["against"]})[0] if "against" in test else None
        for label, condition, chosen, against in split(test["each"], rows, others):
            rng = given.rng(name, prefix, label)
            for about, found in RUN[test["kind"]](test, chosen, against, side, given, rng):
                text = " and ".join(filter(None, [where, condition]))
                yield Part((prefix + label + about).strip(), test["kind"], side, found, text)


def split(columns, rows, others):
    """Yield each value of some columns that occurs: a label, a condition of a query, the rows of both.

    Parameters
    ----------
    columns : list of str
        None: all rows are one part.
    rows, others : DataFrames
        `others` may be None.
    """
    if not columns:
        yield "", "", rows, others
        return
    parts = {} if others is None else dict(list(others.groupby(columns, sort=False)))
    for values, part in rows.groupby(columns, sort=False):
        condition = " and ".join(
            f"{column} == {value!r}" for column, value in zip(columns, values, strict=True)
        )
        against = None if others is None else parts.get(values, others.iloc[:0])
        yield ", ".join(map(str, values)), condition, part, against


def select(table, where):
    """Select the rows of a table that a claim is about, and say them as a query of pandas.

    Parameters
    ----------
    table : DataFrame
    where : dict
        By column: a value, a list of values, {not: value}; largest or smallest of what the others leave.
    """
    later = {column: value for column, value in where.items() if value in ("largest", "smallest")}
    terms = []
    for column, value in [*((c, v) for c, v in where.items() if c not in later), *later.items()]:
        if column in later:
            if table.empty:
                continue
            value = getattr(table[column], SUBSTITUTE[value])().item()
        if isinstance(value, dict):
            terms.append(f"{column} != {value['not']!r}")
            table = table[table[column] != value["not"]]
        elif isinstance(value, list):
            terms.append(f"{column} in {value!r}")
            table = table[table[column].isin(value)]
        else:
            terms.append(f"{column} == {value!r}")
            table = table[table[column] == value]
    return table, " and ".join(terms)


def common(*frames):
    """Keep of several frames of units the images that every model or pair, and region, of all has."""
    whole = pd.concat(
        [frame[["source", "target", "roi", "image_id"]].assign(frame=i) for i, frame in enumerate(frames)]
    ).drop_duplicates()
    cells = len(whole[["frame", "source", "target", "roi"]].drop_duplicates())
    counts = whole.groupby("image_id", sort=False).size()
    images = set(counts.index[counts == cells])
    return [frame[frame.image_id.isin(images)] for frame in frames]


def cells_of(rows, names, fixed_target=False):
    """Make cells of units; a target that is fixed is not resampled."""
    other = "" if fixed_target else rows.target
    return families.ratio_cells(rows.assign(one=rows.source, other=other), list(names))


def run_mean(test, rows, against, side, given, rng):
    """Test a mean over networks or pairs, or what it is more than that of other rows."""
    fixed = "target" in test["each"]
    frames = [rows] if against is None else common(rows, against)
    if any(frame.empty for frame in frames):
        yield "", kinds.Evidence(reason=kinds.NOTHING)
        return
    made = [cells_of(frame, given.networks.index, fixed) for frame in frames]
    if against is None:
        yield "", kinds.mean(made[0], given.networks, side)
        return
    columns = [np.concatenate(values) for values in zip(*(vars_of(cells) for cells in made), strict=True)]
    both = families.Cells(*columns)
    second = np.arange(len(both.value)) >= len(made[0].value)
    yield "", kinds.mean(both, given.networks, side, second)


def vars_of(cells):
    """Give what two sets of cells have in common: values, values without each image, networks."""
    return cells.value, cells.without, cells.one, cells.other


def of_families(given):
    """Select standard and robust networks."""
    return given.networks[given.networks.family.isin(FAMILIES)]


def run_difference(test, rows, against, side, given, rng):
    """Test the difference of the two families."""
    networks = of_families(given)
    rows = rows[rows.source.isin(networks.index)]
    if rows.empty or networks.family.nunique() < len(FAMILIES):
        yield "", kinds.Evidence(reason=kinds.FEW)
        return
    robust = (networks.family == "robust").to_numpy()
    labels = families.permute_labels(robust, networks.architecture, given.permutations, rng)
    cells = cells_of(rows, networks.index)
    yield "", kinds.difference(cells, networks, sign_of(test), labels, test["log"])


def sign_of(test):
    """Give the sign of robust - standard in what a claim measures."""
    return 1.0 if test["higher"] == "robust" else -1.0


def run_slope(test, rows, against, side, given, rng):
    """Test the slope over networks that have the same kind of accuracy, which most of them have."""
    x = given.networks[test["x"]].to_numpy(float) / test["per"]
    if test["x"] == "accuracy":
        kind = given.networks.accuracy_of[given.networks.accuracy.notna()]
        x = np.where(given.networks.accuracy_of == (kind.mode().iloc[0] if len(kind) else ""), x, np.nan)
    n = len(given.networks)
    values, without = kinds.each_network(cells_of(rows, given.networks.index), n, test["log"])
    yield "", kinds.slope(values, without, x, side)


def run_adjusted(test, rows, against, side, given, rng):
    """Test the difference of the two families with covariates held equal, together or one at a time."""
    measured = given.tables.get("network_measures")
    if measured is None:
        yield "", kinds.Evidence(reason=NO_TABLE.format("results/summaries/network_measures.parquet"))
        return
    networks = of_families(given)
    rows = rows[rows.source.isin(networks.index)]
    values, without = kinds.each_network(cells_of(rows, networks.index), len(networks), test["log"])
    means = measured.groupby("network")[test["covariates"]].mean().reindex(networks.index)
    sets = [[name] for name in test["covariates"]] if test["one_at_a_time"] else [test["covariates"]]
    for names in sets:
        held = means[names].to_numpy(float)
        found = kinds.adjusted(values, without, held, networks, sign_of(test), given.permutations, rng)
        yield f"at equal {' and '.join(names)}", found


def run_pairs(test, rows, against, side, given, rng):
    """Test a predictor of the logarithm of similarity over pairs of networks."""
    own = select(given.tables["units"], {"measure": "sensitivity"})[0]
    both = {*rows.source, *rows.target} & {*own.source}
    names = [name for name in given.networks.index if name in both]
    networks = given.networks.loc[names]
    n, rows = len(names), rows[rows.source.isin(names) & rows.target.isin(names)]
    if n <= undefined.FEWEST:
        yield "", kinds.Evidence(reason=kinds.FEW, n_networks=n)
        return
    sensitivity = kinds.each_network(cells_of(own[own.source.isin(names)], names), n)[0]
    cells = cells_of(rows, names)
    value, without = matrices(cells, n)
    level = np.log(np.where(undefined.moves(sensitivity), sensitivity, np.nan))
    predictors = {
        "both robust": permutations.both(networks.family == "robust"),
        "different architecture": permutations.differs(networks.architecture),
        "different training": permutations.differs(networks.family),
        "difference of log sensitivity": permutations.distance(level),
        "mean log sensitivity": (level[:, None] + level) / 2,
    }
    # of two that say the same the first is kept, so that what is claimed comes last
    order = [*test["covariates"], test["predictor"]]
    yield (
        "",
        kinds.pairs(
            value,
            without,
            {name: predictors[name] for name in order},
            test["predictor"],
            networks.family.to_numpy(),
            given.permutations,
            rng,
        ),
    )


def matrices(cells, n):
    """Arrange the logarithm of the mean over regions of each pair as a matrix, also without each image.

    Returns
    -------
    value : array (n, n)
    without : array (images, n, n)
        NaN where a mean is not above 0, and on the diagonal.
    """
    sums, count = np.zeros((1 + cells.without.shape[1], n, n)), np.zeros((n, n))
    for one, other in ((cells.one, cells.other), (cells.other, cells.one)):
        np.add.at(sums, (slice(None), one, other), np.column_stack([cells.value, cells.without]).T)
        np.add.at(count, (one, other), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / count
        logs = np.log(np.where(means > 0, means, np.nan))
    return logs[0], logs[1:]


def run_stronger(test, rows, against, side, given, rng):
    """Test whether an outcome goes with one predictor more than with another."""
    wide = rows.pivot(index="network", columns="predictor", values="value").reindex(
        columns=[test["one"], test["other"]]
    )
    outcome = rows.drop_duplicates("network").set_index("network").change.reindex(wide.index)
    found = kinds.stronger(*wide.to_numpy(float).T, outcome.to_numpy(float), given.permutations, rng)
    images = rows.n_images[rows.n_images > 0]
    yield "", kinds.replace(found, n_images=int(images.min()) if len(images) else 0)


RUN = {
    "mean": run_mean,
    "difference": run_difference,
    "slope": run_slope,
    "adjusted": run_adjusted,
    "pairs": run_pairs,
    "stronger": run_stronger,
}


def described(name, number, claim, parts, p_adjusted, p):
    """Make the row of a claim: the numbers of the part that holds least, and the verdict of all."""
    negligible = float(claim.get("negligible", np.nan))
    each = [part.verdict(negligible, p) for part in parts]
    order = [verdicts.CONTRADICTED, verdicts.UNDECIDED, verdicts.SUPPORTED]
    worst = min(
        range(len(parts)),
        key=lambda i: (order.index(each[i]), -np.inf if np.isnan(parts[i].found.p) else -parts[i].found.p),
    )
    part, outcome = parts[worst], each[worst]
    found, within = part.found, part.side.where == "within"
    low, high = found.narrow if within else found.interval
    reason = found.reason
    if outcome == verdicts.UNDECIDED and not reason:
        reason = verdicts.why_undecided(part.side, found.interval, found.narrow, found.p, p)
    counts = {"networks": found.n_networks, "pairs": found.n_pairs}
    return {
        "claim": name,
        "number": number,
        **{key: claim[key] for key in ("question", "headline", "confirmatory", "title", "statement")},
        "measure": claim["measure"],
        "estimate": found.estimate,
        "low": low,
        "high": high,
        "confidence": 0.9 if within else 0.95,
        "unit": claim["unit"],
        "side": part.side.where,
        "margin": part.side.margin,
        "negligible": negligible,
        "part": part.name,
        "n_parts": len(parts),
        "test": TWO_TESTS if within else TESTS[part.kind],
        "p": found.p if len(parts) == 1 else largest_p(parts),
        "p_adjusted": p_adjusted,
        "smallest_p": found.smallest_p,
        "n": counts[claim["statement_of"]],
        "n_of": claim["statement_of"],
        "resampled": found.resampled,
        **{key: getattr(found, key) for key in ("n_images", "n_networks", "n_pairs")},
        "verdict": outcome,
        "reason": reason,
        "table": FILES[claim["table"]],
        "columns": ", ".join(columns_of(claim)),
        "where": part.where,
        "figure": claim["figure"],
    }


def columns_of(claim):
    """List the columns that a claim was computed from."""
    if claim["table"] == "race_values":
        return ["predictor", "network", "value", "change"]
    return ["source", "target", "roi", "image_id", "top", "bottom"]
