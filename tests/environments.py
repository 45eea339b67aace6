"""What the environments of the workflow hold and need, and virtual environments made of their files."""

import ast
import functools
import json
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from codingaxes import provenance

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow/scripts"
LOCK = ROOT / "requirements.lock"
FILES = sorted((ROOT / "envs").glob("*.yaml"))
NAMES = [file.stem for file in FILES]
CONDA_NAMES = {"pytorch": "torch"}
# What conda environments hold besides Python packages.
TOOLS = {"python", "pip", "git"}
# Networks import these by a name from a table, so no statement does: see networks/optional.py.
BY_NAME = {"transformers", "open-clip-torch", "cornet"}
DISTRIBUTIONS = metadata.packages_distributions()
# Of uv and pip, when an index cannot be reached at all; a version that is not there is another message.
UNREACHABLE = (
    r"error sending request|[Cc]ould not connect|dns error|Failed to fetch|network (is|was) (dis|un)"
)
# Import whatever files import, wherever the statement stands, and say what cannot be imported.
IMPORT_ALL = """
import ast, importlib, sys
scripts, *files = sys.argv[1:]
sys.path.append(scripts)
failed = {}
for file in files:
    for node in ast.walk(ast.parse(open(file, encoding="utf-8").read())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            try:
                importlib.import_module(name)
            except ImportError as error:
                failed[name] = f"{file} imports {name}: {error}"
sys.exit("\\n".join(failed.values()) or 0)
"""


def normal(requirement):
    """Spell the name of a requirement's distribution as indices do."""
    name = re.match(r"[\w.-]+", requirement)[0]
    return re.sub(r"[-_.]+", "-", CONDA_NAMES.get(name, name)).lower()


def imported(files):
    """List the distributions that Python files import, but for peers that a test can do without."""
    names, peers = set(), set()
    for file in files:
        text = file.read_text()
        peers |= set(re.findall(r'importorskip\("(\w+)', text))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.partition(".")[0])
    folders = (SCRIPTS, ROOT / "tests", ROOT / "benchmarks", ROOT / "docs")
    local = {path.stem for folder in folders for path in folder.iterdir()}
    names -= sys.stdlib_module_names | local | peers
    unknown = names - set(DISTRIBUTIONS)
    assert not unknown, f"{unknown} is imported and not installed"
    return {normal(DISTRIBUTIONS[name][0]) for name in names}


@functools.cache
def scripts_of():
    """Read from the rules which scripts run in which environment: name of a file in envs -> scripts."""
    named = re.search(
        r'^TORCH = "\.\./envs/(\w+)\.yaml" if .* else "\.\./envs/(\w+)\.yaml"$', rules_in("common"), re.M
    )
    environments, of_rule = {}, {}
    for file in sorted((ROOT / "rules").glob("*.smk")):
        for block in re.split(r"^ *(?=rule |use rule )", file.read_text(), flags=re.M)[1:]:
            rule = re.match(r"rule (\w+):|use rule (\w+) as (\w+) with:", block)
            conda = re.search(r"\bconda:\s+(\S+)", block)
            where = conda[1] if conda else of_rule[rule[2]]
            of_rule[rule[1] or rule[3]] = where
            (script,) = set(re.findall(r'code_of\("(\w+\.py)"\)', block)) or set(
                re.findall(r"/(\w+\.py)\"", block)
            )
            for name in named.groups() if where == "TORCH" else [Path(where.strip('"')).stem]:
                environments.setdefault(name, set()).add(script)
    return environments


def rules_in(name):
    """Read a file of rules."""
    return (ROOT / "rules" / f"{name}.smk").read_text()


def reached(name):
    """List all files that the scripts of an environment are and import."""
    files = {file for script in scripts_of()[name] for file in provenance.reached_files(script, SCRIPTS)}
    return sorted(SCRIPTS / file for file in files)


def pins(file):
    """List the requirements of a conda environment, those that pip installs too."""
    requirements = yaml.safe_load(file.read_text())["dependencies"]
    by_pip = [pin for part in requirements if isinstance(part, dict) for pin in part["pip"]]
    return [part for part in requirements if isinstance(part, str)] + by_pip


def locked(text=None):
    """Read the versions of the lock, for Python 3.11: name -> version."""
    lines = re.findall(r"^([\w.-]+)==([\w.]+)(.*)", text or LOCK.read_text(), re.M)
    return {name: version for name, version, marker in lines if "python_full_version >= '3.12'" not in marker}


def requirements_of(file):
    """Write an environment's Python packages as pip does; those from a repository are left out."""
    named = [pin for pin in pins(file) if normal(pin) not in TOOLS and "@" not in pin]
    return [f"{normal(pin)}=={re.search(r'=+ *(.+)$', pin)[1]}" for pin in named]


def uv():
    """Find uv, which `make` installs; skip the test where there is none."""
    found = shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv")
    return found or pytest.skip("there is no uv here: pip install uv, or run the tests by make test")


def make(file, folder):
    """Make a virtual environment that holds what an environment's file names, and what that needs.

    Packages come from uv's cache, or from the index. What the file's packages need further has the versions
    of the lock.

    Parameters
    ----------
    file : path-like
        A file of `envs`, or a changed copy.
    folder : path-like
        Where the environment is made. It sees no other package: neither those of these tests nor the user's.

    Returns
    -------
    path
        The environment's Python.
    """
    listed = folder.with_suffix(".txt")
    listed.write_text("\n".join(requirements_of(file)))
    python = folder / "bin/python"
    run([uv(), "venv", "--python", sys.executable, folder])
    install = [uv(), "pip", "install", "--python", python, "--only-binary", ":all:"]
    done = run([*install, "--requirements", listed, "--constraints", LOCK], check=False)
    if done.returncode and re.search(UNREACHABLE, done.stdout):
        pytest.skip(f"packages of {file.name} are neither in uv's cache nor to be fetched:\n{done.stdout}")
    assert done.returncode == 0, f"{file} cannot be installed:\n{done.stdout}"
    return python


def missing_imports(python, files):
    """Import all that files import, with an environment's Python: what cannot be imported, a line each."""
    return isolated(python, "-I", "-c", IMPORT_ALL, SCRIPTS, *files).stdout


def replay(python, study, record):
    """Run a job of a study again with an environment's Python, from the record that it left, in place."""
    rule = json.loads(record.read_text())["rule"]
    script = f"workflow/scripts/{rule}.py"
    return isolated(python, "-E", "-s", script, record.relative_to(study), cwd=study)


def isolated(python, *arguments, cwd=None):
    """Run Python without any variable, of the shell or of Python, that could lead it to other packages."""
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(python.parents[1]), "MPLBACKEND": "agg"}
    return run([python, *arguments], cwd=cwd, env=bare, check=False)


def run(command, *, check=True, **options):
    """Run a command: what it printed is in stdout; it has to succeed, unless `check` is false."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 3600}
    done = subprocess.run([str(word) for word in command], **pipes, check=False, **options)
    assert done.returncode == 0 or not check, done.stdout
    return done
