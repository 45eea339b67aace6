"""Write what an experiment with a stimulus set would find, for its README."""

from codingaxes.stimulus_sets import results
from codingaxes.stimulus_sets.markdown import listed, number, plural, table, wrapped


def trials(content):
    """Say what an experiment with this set would find: the planned difference, or the right family."""
    if is_ranked(content):
        return ["## How many stimuli tell the right family", _told(content)]
    power = _power(content.power, content.design["experiment"]["power"])
    return ["## How many trials", power, _strangers(content), _experiments(content.experiments)]


def reasons(table):
    """Join the reasons for which values of a table are missing."""
    return ", ".join(sorted(set(table.reason) - {""})) or "nothing was ranked"


def is_ranked(content):
    """Say whether the set keeps the most telling stimuli; without judges there are none, and it keeps all."""
    return content.design["choose"] == "information" and bool(content.ranking.gain.notna().any())


def _told(content):
    """Give the shares of simulated experiments that tell the right family, as the set has its stimuli."""
    curves, kept = content.curves, int(content.ranking.chosen.sum())
    curves = curves[(curves.strategy == "information") & (curves.n_stimuli <= kept)]
    if curves.right.isna().all():
        return f"No experiment was simulated: {reasons(content.curves)}."
    most = curves.n_stimuli.max()
    numbers = sorted({1, *curves.n_stimuli[curves.n_stimuli <= most / 2].tail(1), most})
    rows = []
    for truth, part in curves.groupby("truth", sort=False):
        right = part.set_index("n_stimuli").right
        rows.append(
            (
                truth.replace("_", " "),
                part.truth_family.iloc[0],
                *(number(right.get(n, float("nan")), 2) for n in numbers),
            )
        )
    repetitions = plural(min(content.design["experiment"]["repetitions"]), "repetition")
    headers = ["who answers", "right family", *(f"right after {n}" for n in numbers)]
    return f"{table(headers, rows)}\n\n" + wrapped(
        "Share of simulated experiments that take the right family, by how likely the measured changes are "
        f"under the predictions of each. Each is shown with {repetitions} in each subject of the study. Each "
        "network answers in turn. It and its twins are left out then, and stimuli are chosen anew of all that"
        " were made, so that not all are in this folder. A simulated brain that is no network has no right "
        "family: then it is the share that takes it for the family named. This set keeps single stimuli, and "
        "not pairs that differ in the maker alone, so it tests no difference between makers."
    )


def _power(power, wanted):
    if power.empty:
        return wrapped(
            "No experiment was planned: no network of another architecture than the makers is there to "
            "predict it."
        )
    rows, smallest = [], results.smallest_experiments(power)
    for row in smallest.itertuples():
        size = f"{plural(row.n_subjects, 'subject')} x {plural(row.n_repetitions, 'repetition')}"
        size = (
            f"{size} ({row.n_trials} trials each)" if row.enough else f"none of those tried; the best: {size}"
        )
        size = "–" if row.power != row.power else size
        predicted, effect = row.predicted_by.replace("_", " "), number(row.effect, 2)
        rows.append((row.contrast, row.roi, predicted, effect, size, number(row.power, 2), row.reason))
    most = power.false_alarms.max()
    alarms = f" If makers did not matter, at most {most:.1%} of the experiments found a difference."
    alarms = alarms if most == most else ""
    headers = ["contrast", "region", "if this is right", "difference (SD)", f"smallest with power {wanted:g}"]
    return f"{_reached(smallest, wanted)}\n\n{table([*headers, 'its power', 'note'], rows)}\n\n" + wrapped(
        "Experiments were simulated with the trial noise of each region. The difference is that between "
        "stimuli that differ in the maker alone, as models of the family in the third column predict it: "
        f"models that did not make the stimuli. {_counts(power)} Trials are of the stimuli of this contrast "
        "and region alone; "
        "add controls and natural images to them. A real brain may follow less than any model predicts, and "
        f"then the power is less.{alarms}"
    )


def _counts(power):
    """Count the pairs of each region, of which some may be lost, as where a level lies on either side."""
    rows = power.drop_duplicates("roi")
    pairs = (
        f"{plural(row.n_pairs, 'pair')} of {plural(row.n_images, 'image')} in {row.roi}"
        for row in rows.itertuples()
    )
    return f"There are {', '.join(pairs)}."


def _strangers(content):
    """Name the families of the compared makers that have no model which could predict the difference."""
    made = content.stimuli.drop_duplicates("maker_role").set_index("maker_role").maker
    family = content.networks.set_index("network").family
    compared = [family.get(made.get(role)) for role in content.design["compare"].values()]
    alone = [name for name in dict.fromkeys(compared) if name and name not in set(content.power.predicted_by)]
    if not alone or content.power.empty:
        return ""
    return wrapped(
        f"No prediction is by {' and '.join(alone)} networks: all of them have the architecture of a maker. "
        "Makers of another architecture would leave some."
    )


def _reached(smallest, wanted):
    """Say in which regions the wanted power is reached, by each prediction."""
    if not smallest.enough.any():
        return wrapped(
            f"**No experiment that was tried has power {wanted:g}, in any region and by any prediction.** "
            "A set with larger sizes or more images is needed, or more subjects and repetitions."
        )
    lines = []
    for judge, rows in smallest.groupby("predicted_by", sort=False):
        enough, short = (", ".join(rows.roi[rows.enough == yes].unique()) for yes in (True, False))
        lines.append(
            f"If {judge.replace('_', ' ')} is right, power {wanted:g} is reached in {enough or 'no region'}"
            + (f"; not in {short}." if enough and short else ".")
        )
    return listed(lines)


def _experiments(experiments):
    if experiments.empty:
        return ""
    rows = []
    for row in experiments.itertuples():
        size = f"{row.n_subjects} x {row.n_repetitions}"
        measured = f"{number(row.measured, 2)} [{number(row.low, 2)}, {number(row.high, 2)}]"
        numbers = (number(row.predicted, 2), number(row.true, 2), measured, number(row.p, 2))
        found = "yes" if row.found else "no"
        who = (row.contrast, row.roi, row.predicted_by.replace("_", " "), size)
        rows.append((*who, *numbers, found, number(row.true_power, 2), row.reason))
    headers = ["contrast", "region", "planned by", "subjects x repetitions", "predicted", "true"]
    headers += ["measured [95%]", "p", "found", "true power", "note"]
    return (
        wrapped(
            "**Tried on the simulated brain.** One experiment of the planned size, with noise, in which the "
            "simulated brain answers. Differences are in SD."
        )
        + f"\n\n{table(headers, rows)}"
    )
