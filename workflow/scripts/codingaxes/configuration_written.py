"""Read settings and tables as they were meant, and refuse what is read as something else than it seems."""

import contextlib
import re
from pathlib import Path

import yaml

# Numbers of YAML 1.1 that look like decimal ones: 010 is 8, 1:30 is 90.
MISREAD = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")


class ConfigurationError(ValueError):
    """Tell the user which setting is wrong, what it is, and what to do."""


def typed(value, schema):
    """Give settings the types that their schema wants, where there is no doubt what is meant.

    Text from the command line is read as YAML. A number like 1e-3, which YAML takes for text, is a number. A
    whole number like 4.0 is an integer where one is wanted. What has no such form is left for the schema.

    Parameters
    ----------
    value : object
    schema : dict
        JSON Schema of the value.
    """
    if isinstance(value, dict):
        patterns = list(schema.get("patternProperties", {}).values())
        other = patterns[0] if patterns else schema.get("additionalProperties")
        inside = schema.get("properties", {})
        return {key: typed(part, inside.get(key, other) or {}) for key, part in value.items()}
    if isinstance(value, list):
        return [typed(part, schema.get("items", {})) for part in value]
    wanted = schema.get("type", "string")
    wanted = {wanted} if isinstance(wanted, str) else set(wanted)
    if isinstance(value, str) and "string" not in wanted:
        with contextlib.suppress(yaml.YAMLError):
            value = yaml.safe_load(value)
    if isinstance(value, str) and wanted & {"number", "integer"}:
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, float) and wanted == {"integer"} and value.is_integer():
        return int(value)
    return value


def refuse_misread(files):
    """Refuse files that YAML reads as something else than a reader does."""
    if said := faults(files):
        raise ConfigurationError("settings can be misread:\n  " + "\n  ".join(said))


def refuse_repeated(columns, path):
    """Refuse a table that has a column twice, of which the last would count alone."""
    columns = [name.strip() for name in columns]
    if twice := [name for name in columns if name and columns.count(name) > 1]:
        raise ConfigurationError(f"{path}: the column {twice[0]} is there twice; keep one")


def faults(files):
    """Find what YAML reads without a word as something else than a reader does.

    Parameters
    ----------
    files : list of path-likes
        Of settings. Those that are not there, or no YAML, do not count: Snakemake says so.

    Returns
    -------
    list of str
        A line for each key that stands twice, of which the last would count alone; for each key that is no
        text, as no and on are; and for each number that is not decimal, as 010 is 8.
    """
    said = []
    for file in map(Path, files):
        with contextlib.suppress(yaml.YAMLError, OSError, UnicodeDecodeError):
            said += [
                f"{file}, line {line}: {text}"
                for line, text in _faults(yaml.compose(file.read_text("utf-8")))
            ]
    return said


def _faults(node):
    """Yield the line and the text of each fault in a node of YAML and in what is inside it."""
    if isinstance(node, yaml.MappingNode):
        seen = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, key.value
            if isinstance(key, yaml.ScalarNode):
                if name in seen:
                    yield line, f"{name} stands there a second time, after line {seen[name]}; keep one"
                elif key.tag in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"):
                    yield line, f'the name {name} is no text in YAML; write it in quotes: "{name}"'
                seen.setdefault(name, line)
            yield from _faults(value)
    elif isinstance(node, yaml.SequenceNode):
        for part in node.value:
            yield from _faults(part)
    elif isinstance(node, yaml.ScalarNode) and node.tag.endswith((":int", ":float")):
        if MISREAD.fullmatch(node.value):
            value = yaml.safe_load(node.value)
            yield (
                node.start_mark.line + 1,
                f"{node.value} is {value} in YAML; write it as a decimal number, or in quotes",
            )
