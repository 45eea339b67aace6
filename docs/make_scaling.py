"""Write docs/scaling.md, what the full study costs: python docs/make_scaling.py.

    python docs/make_scaling.py            # the page, in seconds
    python docs/make_scaling.py --flops    # counts the operations of each network again, in two minutes

Read are the settings of config/nsd.yaml and config/nsd_thorough.yaml, the jobs that Snakemake lists for them,
docs/scaling/flops.csv (operations of a pass, which --flops writes), docs/scaling/measured.csv (what was
measured elsewhere) and, if it is there, docs/scaling/gpu.csv (what benchmarks/gpu.py measured on a GPU).
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter, defaultdict
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "docs"))

import count_flops  # noqa: E402
import study_costs as costs  # noqa: E402

PAGE = ROOT / "docs/scaling.md"
THOROUGH = "nsd_thorough.yaml"
LIMITS = ("limit", "effect_limit", "variant_limit", "subject_limit")
STEPS = {  # of the line of steps: their files of rules
    "NSD": ("download", "nsd", "own"),
    "networks": ("networks",),
    "features": ("features",),
    "readouts": ("readouts",),
    "attacks": ("attacks",),
    "transfer": ("transfer",),
    "axes": ("axes", "similarity"),
    "synthesised images": ("synthesis",),
    "stimulus sets": ("designs", "stimulus_sets", "stimulus_figures", "scoring", "scoring_figures"),
    "summaries, claims and figures": (
        *("summaries", "control", "claims", "figures", "movies", "synthesis_figures", "manifest", "report"),
    ),
}


def main():
    """Write the page, or the counts that it rests on."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--flops", action="store_true", help="count operations again: docs/scaling/flops.csv")
    if parser.parse_args().flops:
        count_flops.write(costs.FOLDER / "flops.csv")
    PAGE.write_text(page())


def listed_jobs(*overlays):
    """Count the jobs of each step that Snakemake lists for the full study, and those that ask for a GPU.

    It lists them in a copy without results, with the settings of further files of config/.
    """
    with tempfile.TemporaryDirectory() as folder:
        for part in ("Snakefile", "rules", "workflow", "config", "profiles", "envs", "docs"):
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, Path(folder) / part)
        files = [f"config/{name}" for name in ("nsd.yaml", *overlays)]
        command = [sys.executable, "-m", "snakemake", "-n", "--configfile", *files]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the dry run of the full study failed:\n{done.stdout}{done.stderr}")
    said = done.stdout + done.stderr
    counts = dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))
    step_of = {
        rule: step
        for step, files in STEPS.items()
        for file in files
        for rule in re.findall(
            r"^(?:use )?rule (?:\w+ as )?(\w+)", (ROOT / f"rules/{file}.smk").read_text(), re.M
        )
    }
    found = Counter()
    for rule, number in counts.items():
        if rule not in ("all", "total"):
            found[step_of[rule]] += int(number)
    return found, len(re.findall(r"^    resources: .*\bgpu=1\b", said, re.MULTILINE))


def page():
    """Put together the text of the page."""
    config, measured = costs.settings(), costs.Measured()
    jobs, parts = costs.gpu_jobs(config, measured)
    (counts, asking), disk = listed_jobs(), costs.gigabytes(config, measured)
    gpu = defaultdict(float)
    for (step, _), seconds in parts.items():
        gpu[step] += seconds / 3600
    host = costs.processor_hours(config, measured, gpu, counts)
    lines = [INTRODUCTION, *wrap(rates(measured)), "", *by_step(counts, gpu, host, disk)]
    lines += (
        machines(jobs, measured, asking)
        + choices(config, measured)
        + by_part(config, measured, parts)
        + by_network(config, measured, jobs)
        + assumptions()
    )
    return "\n".join(lines) + "\n"


INTRODUCTION = """# What the full study costs

`python docs/make_scaling.py` computes this page: jobs, GPU hours, processor hours and disk of
`config/nsd.yaml`, 18 networks and NSD. Nobody has run the full study. The page multiplies what is counted
(jobs, passes through networks, operations of a pass) by what was measured elsewhere.

The goal is less than one GPU hour, which a test holds (`tests/docs/test_make_scaling.py`). So the full study
attacks with one size and checks conclusions on few images. `config/nsd_thorough.yaml`, which comes after
`config/nsd.yaml`, has more of both.
"""


def rates(measured):
    """Say where the pace of a GPU comes from."""
    if measured.card:
        return f"Passes a second were measured on one {measured.card} (`docs/scaling/gpu.csv`)."
    paces = ", ".join(f"{pace:g} in {precision}" for precision, pace in costs.ASSUMED.items())
    return (
        f"**No GPU was measured.** Assumed for one H100-class card are {paces}, in 10¹² operations a second; "
        "`benchmarks/gpu.py` measures yours."
    )


def table(head, rows):
    """Write a table in Markdown."""
    return [
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def by_step(counts, gpu, host, disk):
    """Describe each step, and all together."""
    parts = [(step, counts[step], gpu[step], host[step], disk.get(step, 0)) for step in STEPS]
    parts.append(("**all**", *(sum(part[i] for part in parts) for i in range(1, 5))))
    rows = [[name, str(n), f"{a:.2f}", f"{b:.1f}", f"{c:.1f}"] for name, n, a, b, c in parts]
    return ["## By step", "", *table(["step", "jobs", "GPU hours", "processor hours", "GB kept"], rows)]


def machines(jobs, measured, asking):
    """Say how long the jobs that run networks take on some machines."""
    thorough, _ = costs.gpu_jobs(costs.settings(THOROUGH), measured)
    rows = [
        [name, *(f"{costs.makespan(some, gpus) / 3600:.2f} h" for some in (jobs, thorough))]
        for name, gpus in (("one GPU", 1), ("eight GPUs", 8), ("a cluster, a GPU for every job", 10**6))
    ]
    head = ["machine", "config/nsd.yaml", "with config/nsd_thorough.yaml"]
    text = "Hours until all jobs that run networks are done, if the longest job that can begin always does:"
    thorough_counts, thorough_asking = listed_jobs(THOROUGH)
    minutes = asking * measured.numbers["processor to start a job"] / 60
    more = (
        f"These are hours in which a GPU computes. With `config/nsd.yaml` {asking} jobs ask for one. "
        f"To start them takes {minutes:.0f} minutes of one processor core, in which one GPU has nothing to "
        "do if they run one after the other. With `config/nsd_thorough.yaml` there are "
        f"{sum(thorough_counts.values())} jobs, and {thorough_asking} ask for a GPU."
    )
    return ["## By machine", "", text, "", *table(head, rows), *wrap(more), ""]


def choices(config, measured):
    """Say what other settings would cost."""
    file = yaml.safe_load((costs.ROOT / "config/thorough.yaml").read_text())
    limits = {"attacks": {name: file["attacks"][name] for name in LIMITS if name in file["attacks"]}}
    all_probes = {"attacks": {"effect_probes": 0, "variant_probes": 0}}
    thorough, more = costs.settings(THOROUGH), "with config/nsd_thorough.yaml"
    rows = [["as config/nsd.yaml is", config, {}, ()]]
    rows += [[f"gradients in {p}", config, {"attacks": {"precision": p}}, ()] for p in costs.ASSUMED]
    rows += [
        ["without BLIP2", config, {}, ("blip2",)],
        ["attacks of radii 1 and 3", config, {"attacks": {"radii": [1.0, 3.0]}}, ()],
        ["attacks on single subjects too", config, {"attacks": {"subjects": True}}, ()],
        ["checks on all probes", config, all_probes, ()],
        ["limits of config/thorough.yaml", config, limits, ()],
        [more, thorough, {}, ()],
        [f"{more}, without BLIP2", thorough, {}, ("blip2",)],
        [f"{more}, checks on all probes", thorough, all_probes, ()],
        [f"{more} and limits of config/thorough.yaml", thorough, limits, ()],
    ]
    lines = []
    for name, base, change, without in rows:
        changed = costs.merged(base, change)
        hours = costs.gpu_hours(changed, measured, without)
        kept = sum(costs.gigabytes(changed, measured, without).values())
        lines.append([name, f"{hours:.2f}", f"{kept:.0f}"])
    return ["## Other settings", "", *table(["settings", "GPU hours", "GB kept"], lines)]


def by_part(config, measured, parts):
    """List passes and GPU hours of each part."""
    names, total, having = costs.networks()[0], defaultdict(lambda: [0.0] * 4), Counter()
    makers = costs.exciting_makers(config)
    for name, family in names.items():
        for one in costs.passes(config, measured, family, name in makers):
            having[one.step, one.part] += 1
            values = total[one.step, one.part]
            for i, kind in enumerate(("gradients", "forward", "products", "draws")):
                values[i] += getattr(one, kind)
    total = {part: [value / having[part] for value in values] for part, values in total.items()}
    shown = [0, len(names) * costs.shown(config), 0, 0]
    total["transfer", "attacks and controls of all, shown to all"] = shown
    total["synthesised images", "review of all by all"] = [0, costs.all_pictures(config, names), 0, 0]
    rows = [
        [
            step,
            part,
            *(f"{round(n):,}".replace(",", " ") if n else "" for n in values),
            f"{parts[step, part] / 3600:.2f}",
        ]
        for (step, part), values in total.items()
    ]
    head = ["step", "part", "gradients", "forward", "products", "Jᵀu", "GPU hours of all"]
    precision = config["attacks"]["precision"]
    text = (
        "Passes of one image through a network, the mean over networks that have the part (exciting images "
        f"are made by {len(makers)} of {len(names)}). Gradients are in {precision}, all else in float32."
    )
    return ["## By part", "", *wrap(text), "", *table(head, rows)]


def by_network(config, measured, jobs):
    """List operations, parameters and GPU hours of each network."""
    hours, precision = Counter(), config["attacks"]["precision"]
    for (_, name), (seconds, _) in jobs.items():
        hours[name] += seconds / 3600
    rows = [
        [
            name,
            f"{float(row['forward']) / 1e9:.1f}",
            f"{float(row['backward']) / 1e9:.1f}",
            f"{float(row['parameters']) / 1e6:.1f}",
            f"{1 / measured.seconds(name, 'gradients', precision):.0f}",
            f"{1 / measured.seconds(name, 'forward', 'float32'):.0f}",
            f"{hours[name]:.2f}",
        ]
        for name, row in measured.flops.items()
    ]
    head = ["network", "forward, 10⁹", "backward, 10⁹", "parameters, 10⁶", "gradients a second"]
    head += ["forward a second", "GPU hours of its jobs"]
    text = (
        "Operations of one image are counted on shapes alone (`docs/count_flops.py`), up to the last "
        "candidate layer. Rates are of the settings' precision for gradients, of float32 for forward passes."
    )
    return ["## By network", "", *wrap(text), "", *table(head, rows)]


def wrap(text):
    """Break text into lines of at most 110 characters."""
    return textwrap.wrap(text, 110, break_long_words=False, break_on_hyphens=False)


def assumptions():
    """List what the numbers rest on."""
    rows = [
        [row["name"], row["value"], row["unit"], row["how"], row["date"]]
        for row in costs.read("measured.csv")
    ]
    return [
        "## What the numbers rest on",
        "",
        *table(["measured", "value", "unit", "how", "date"], rows),
        ASSUMPTIONS,
    ]


ASSUMPTIONS = """Assumed, and not known before the full study has run:

- Searches spend as many gradients on pretrained networks of 224 x 224 pixels as on the zoo's: networks that
  are not robust as its standard ones. Where a limit was not measured, the limit itself is taken. Synthesised
  images spend their limits.
- Forward passes within a search, a few for each round, are left out.
- A network that was not measured reaches the median pace, in operations a second, of those that were.
- The processor waits while the GPU computes: each GPU hour counts as one processor hour.
- Every readout keeps a basis of each candidate layer (at most; one layer is read for a region).
- Downloads take what your line takes: about 110 GB of NSD, of which 5 GB are kept, and the weights."""


if __name__ == "__main__":
    main()
