"""Folders of planted stimulus sets, as the rule export_stimulus_set writes them."""

import functools
from dataclasses import replace
from pathlib import Path

import planted_sets

from codingaxes.stimulus_sets import folder
from codingaxes.tables import stimulus_sets as tables
from codingaxes.tables import store


@functools.cache
def read(file, name):
    """Read a table of a planted set; not to be changed."""
    (table,) = [table for table in vars(tables).values() if getattr(table, "name", "") == name]
    return store.read(file, table)


def content(working, **changes):
    """Read what a folder is made of from what `planted_sets.plant` wrote; some fields changed."""
    names = {
        "stimuli": tables.SET_STIMULI,
        "predictions": tables.SET_PREDICTIONS,
        "ranking": tables.SET_RANKING,
        "curves": tables.SELECTION_CURVES,
        "power": tables.SET_POWER,
        "experiments": tables.SET_EXPERIMENTS,
    }
    whole = folder.Content(
        name="planted",
        design=working.design,
        source="miniature",
        networks=planted_sets.ZOO[["network", "family"]],
        perturbations=working.perturbations,
        version="0123abc",
        **{name: read(getattr(working, name), table.name).copy() for name, table in names.items()},
    )
    return replace(whole, **changes)


FEW = [f"stim-{number:04d}" for number in (3, 4, 5, 7, 9)]  # of one image and maker


def few(working):
    """Give a ranking by which only `FEW` are chosen: with original and controls, 23 stimuli."""
    ranking = content(working).ranking
    return ranking.assign(chosen=ranking.stimulus_id.isin(FEW))


def export(working, path, design=None, **changes):
    """Write the folder of `few` stimuli, with other keys of the design or fields of the content; gives it."""
    changes = {"ranking": few(working), "design": working.design | (design or {})} | changes
    folder.write(path, content(working, **changes))
    return Path(path)
