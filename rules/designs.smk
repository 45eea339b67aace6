"""Designs: the designs of stimulus sets are read and checked here, once, and turned into names.

reads   the designs that stimulus_sets names
makes   SETS, DESIGNS, SET_MAKERS, SET_REGIONS, SET_RADII
"""

from snakemake.logging import logger

from codingaxes.stimulus_sets import design as designs
from codingaxes.stimulus_sets import licences

try:
    DESIGNS = designs.read_all(
        config["stimulus_sets"], configuration.read_schema(SCHEMAS, "stimulus_set"), code=CODE
    )
    SET_MAKERS = {name: designs.makers_of(design, ROWS, MODELS) for name, design in DESIGNS.items()}
    SET_REGIONS = {name: designs.regions_of(design, REGION_ORDER) for name, design in DESIGNS.items()}
    SET_RADII = {name: designs.radii_of(design, config["image_size"]) for name, design in DESIGNS.items()}
except configuration.ConfigurationError as error:
    raise WorkflowError(str(error)) from None
for name, design in DESIGNS.items():
    try:
        licences.check_public(design, SOURCE)
    except ValueError as error:
        raise WorkflowError(f"stimulus set {name}: {error}") from None

# A study without robust networks, say, has no use for some sets, or for some makers of a set.
for name, design in DESIGNS.items():
    if (said := designs.what_is_lacking(design, SET_MAKERS[name])) and workflow.is_main_process:
        logger.warning(said)
SETS = [name for name, design in DESIGNS.items() if set(design["compare"].values()) <= set(SET_MAKERS[name])]


wildcard_constraints:
    set="|".join(SETS) or "none",


def value_for_set(values):
    """Give a job the value of its set."""

    def parameter(wildcards):
        return values[wildcards.set]

    return parameter


def of_design(key):
    """Give a rule one key of the design of its set."""

    def parameter(wildcards):
        return DESIGNS[wildcards.set][key]

    return parameter
