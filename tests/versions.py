"""Hold all places that name a version to the two that decide: pyproject.toml (ranges) and the lock (pins)."""

import re
import tomllib

from environments import TOOLS, locked, normal, pins
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

# A line about a package that a place may name.
PIN = r"^ *([\w.-]+)==([\w.]+)"


def disagreements(root):
    """List what does not agree about versions below a folder that holds the workflow, a sentence each.

    Held are the lock, envs, requirements of benchmarks, Makefile, Snakefile, Dockerfile and two pages to the
    ranges of pyproject.toml and the pins of the lock.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())
    versions = locked((root / "requirements.lock").read_text())
    return [
        *_of_lock(project["project"], versions),
        *_of_environments(root, project["project"], versions),
        *_of_benchmarks(root, versions),
        *_of_python(root, project),
        *_of_container(root, project["project"]),
    ]


def _of_lock(project, versions):
    """Compare the lock with the ranges of pyproject.toml."""
    for text in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        version = versions.get(normal(text))
        if version is None:
            yield f"requirements.lock has no {normal(text)}: lock again"
        elif not Requirement(text).specifier.contains(version):
            yield f"requirements.lock has {normal(text)} {version}, pyproject.toml wants {text}: lock again"


def _of_environments(root, project, versions):
    """Compare the files of envs with the lock, and optional packages with their extra."""
    extra = {normal(text): text.partition("==")[2] for text in project["optional-dependencies"]["hubs"]}
    for file in sorted((root / "envs").glob("*.yaml")):
        for pin in pins(file):
            name, version = normal(pin), re.search(r"^[\w.-]+ *==? *([\w.]+)$", pin)
            if name in TOOLS:
                continue
            wanted = versions.get(name) or extra.get(name)
            if wanted is None:
                if not re.search(r"@ git\+\S+@[0-9a-f]{40}$", pin):
                    yield f"{file.name}: {pin} is neither in the lock nor in the extra hubs, and no commit"
            elif version is None or version[1] != wanted:
                yield f"{file.name}: {pin} should be {wanted}"


def _of_benchmarks(root, versions):
    """Compare what benchmarks install with the lock; peers only have to be pinned."""
    for file in sorted((root / "benchmarks").glob("*.txt")):
        for line in file.read_text().splitlines():
            name, version = re.match(PIN, line).groups() if re.match(PIN, line) else (None, None)
            if name is None and line.strip() and not line.startswith("#"):
                yield f"{file.name}: {line} names no version"
            elif name and versions.get(normal(name), version) != version:
                yield f"{file.name}: {line} should be {versions[normal(name)]}"


def _of_python(root, project):
    """Compare all places that name a version of Python or Snakemake."""
    allowed = SpecifierSet(project["project"]["requires-python"])
    (least,) = re.findall(r">=(\d+\.\d+)", str(allowed))
    places = {
        "Makefile": rf"version_info < \({least.replace('.', ', ')}\)",
        "README.md": rf"You need Python {re.escape(least)} or newer",
        "CONTRIBUTING.md": rf"You need Python {re.escape(least)} or newer",
    }
    for name, text in places.items():
        if not re.search(text, (root / name).read_text()):
            yield f"{name} does not name Python {least}, the oldest of pyproject.toml, or names another"
    if project["tool"]["ruff"]["target-version"] != f"py{least.replace('.', '')}":
        yield f"pyproject.toml: ruff's target-version is not Python {least}"
    for file in sorted((root / "envs").glob("*.yaml")):
        if f"python ={least}" not in pins(file):
            yield f"{file.name}: python should be ={least}, for which the lock's versions are taken"
    (snakemake,) = (text for text in project["project"]["dependencies"] if normal(text) == "snakemake")
    (oldest,) = re.findall(r'^min_version\("([\d.]+)"\)$', (root / "Snakefile").read_text(), re.M)
    if f">={oldest}" not in snakemake.replace(",", " ").removeprefix("snakemake").split():
        yield f"Snakefile: min_version is {oldest}, pyproject.toml wants {snakemake}"


def _of_container(root, project):
    """Hold the container to the Python of the environments, and to the lock for everything else."""
    text = (root / "Dockerfile").read_text()
    (image,) = re.findall(r"^FROM (\S+)", text, re.M)
    (python,) = re.findall(r">=(\d+\.\d+)", project["requires-python"])
    if not re.fullmatch(rf"python:{re.escape(python)}(\.\d+)?-slim-[a-z]+", image):
        yield f"Dockerfile: the image {image} should be python:{python}-slim- and a Debian release"
    if re.search(r"[<>=~]=\s*\d", text):
        yield "Dockerfile: it names a version of a package, which is the lock's to do"
