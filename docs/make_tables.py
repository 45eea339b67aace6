"""Write docs/tables.md, the list of all tables, from declarations and rules: python docs/make_tables.py."""

import importlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "workflow" / "scripts"))

from codingaxes.tables.columns import Table  # noqa: E402

PAGE = ROOT / "docs" / "tables.md"
# Schema modules, in the order of the steps.
STEPS = ("nsd", "networks", "features", "readouts", "attacks", "sensitivity", "transfer", "axes")
STEPS += ("similarity", "synthesis", "changes", "spaces", "summaries", "control", "claims")
STEPS += ("stimulus_sets", "scoring")
# Tables of the outputs of rules that do not bear the name of their table.
TABLES = {
    "download_session.session": "sessions",
    "check_network.check": "network_checks",
    "draw_random_controls.noise": "perturbations",
    "attack_images.variants": "perturbations",
    "attack_images.subjects": "subject_attacks",
    "measure_sensitivity.natural": "natural_responses",
    "measure_transfer.perturbations": "transfer",
    "measure_transfer.variants": "transfer",
    "measure_transfer.controls": "transfer_control_changes",
    "hold_out_category.predictions": "held_out_predictions",
    "hold_out_category.gradients": "held_out_gradients",
    "quote_numbers.numbers": "quoted_numbers",
    "explain_similarity.regression": "similarity_regression",
    "choose_images.chosen": "chosen_images",
    "make_stimuli.stimuli": "set_stimuli",
    "rank_stimuli.ranking": "set_ranking",
    "rank_stimuli.curves": "selection_curves",
    "plan_experiment.power": "set_power",
    "plan_experiment.experiments": "set_experiments",
    "predict_stimuli.predictions": "set_predictions",
    "predict_stimuli.refits": "set_refits",
}
INTRODUCTION = """# Tables

`make docs` writes this page, from the declarations in `workflow/scripts/codingaxes/tables/` and the rules.

Every number of the study stands in one of these tables. Each is a Parquet file, or several (one a network, a
model or a subject). The columns of the key identify a row. A column with a ° may have missing values. A list
is a vector in one cell. A file holds all of this itself, so a table can be read and understood alone:

    import pandas as pd
    import pyarrow.parquet as pq

    table = pd.read_parquet("results/summaries/numbers.parquet")
    for column in pq.read_schema("results/summaries/numbers.parquet"):
        print(column.name, column.metadata[b"unit"].decode(), column.metadata[b"meaning"].decode(), sep=" | ")
"""


def main():
    """Write the page."""
    PAGE.write_text(page())


def page():
    """Put together the text of the page."""
    files, parts = files_of_tables(), [INTRODUCTION]
    for step, tables in tables_of_steps().items():
        about = importlib.import_module(f"codingaxes.tables.{step}").__doc__.partition("\n")[0]
        parts.append(f"\n## Tables of {step}\n\n{about}\n\n")
        parts += [f"- [{name}](#{name}): {table.meaning}\n" for name, table in tables.items()]
        for name, table in tables.items():
            parts.append(section(table, files[name]))
    return "".join(parts)


def section(table, files):
    """Describe one table: its rows, its files and its columns."""
    lines = ["", f"### {table.name}", "", f"{table.meaning[0].upper()}{table.meaning[1:]}.", ""]
    lines += [
        f"- {file}, made by {' or '.join(f'`{rule}`' for rule in rules)}" for file, rules in files.items()
    ]
    lines += [f"- key: {', '.join(table.key)}", "", "| column | type | unit | meaning |", "|---|---|---|---|"]
    for name, column in table.columns.items():
        cells = [name + " °" * column.missing, column.type, column.unit, column.meaning]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def tables_of_steps():
    """Collect the declared tables of every schema module: step -> name -> table."""
    folder = ROOT / "workflow/scripts/codingaxes/tables"
    modules = {file.stem for file in folder.glob("*.py")} - {"__init__", "columns", "compact", "store"}
    if modules != set(STEPS):
        raise ValueError(f"STEPS must name the schema modules: {sorted(modules ^ set(STEPS))}")
    steps = {}
    for step in STEPS:
        values = vars(importlib.import_module(f"codingaxes.tables.{step}")).values()
        steps[step] = {value.name: value for value in values if isinstance(value, Table)}
    return steps


def files_of_tables():
    """Find in the rules which files hold each table, and which rules make them: name -> file -> rules."""
    tables = [name for of_step in tables_of_steps().values() for name in of_step]
    files = {name: {} for name in tables}
    for rules in sorted((ROOT / "rules").glob("*.smk")):
        for block in re.split(r"^ *(?=rule )", rules.read_text(), flags=re.M)[1:]:
            rule = re.match(r"rule (\w+):", block)[1]
            outputs = re.search(r"^ *output:\n(.*?)^ *log:", block, re.M | re.S)[1]
            for output, file in re.findall(r'(\w+)=(?:expand\()?"(results/\S+\.parquet)"', outputs):
                name = TABLES.get(f"{rule}.{output}", output)
                if name not in files:
                    raise ValueError(f"TABLES must say which table the output {rule}.{output} is")
                files[name].setdefault(f"`{file}`", []).append(rule)
    return files


if __name__ == "__main__":
    main()
