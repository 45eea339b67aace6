"""Tests of the recipe of the container: its form, what it copies, and that its commands install the workflow.

No image is built: no container engine is asked for. Its commands run in an empty folder instead.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import environments
import pytest
import studies
from environments import ROOT

RECIPE = ROOT / "Dockerfile"
ALLOWED = {"FROM", "RUN", "USER", "WORKDIR", "COPY", "ENV", "ENTRYPOINT", "CMD"}
DEBIAN = ("apt-get", "rm -rf /var/lib/apt", "useradd", "install --directory")  # what only an image shall do
# Variables that could lead to another environment.
ELSEWHERE = ("PYTHON", "VIRTUAL_ENV", "CONDA", "MAKE", "MFLAGS")


def instructions(text):
    """Read a recipe: (instruction, its words) in order, with continued lines joined and comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def linted(recipe):
    """Run hadolint, which parses and judges recipes."""
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which("hadolint")
    assert hadolint, "hadolint is not installed: bring the environment to the lock with make"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run([hadolint, "--no-color", recipe], **pipes, check=False)


def test_the_recipe_is_valid_and_a_broken_one_is_not(tmp_path):
    done = linted(RECIPE)
    assert done.returncode == 0, done.stdout
    for number, (old, new) in enumerate(
        [("RUN apt-get", "RUM apt-get"), ("python:3.11-slim-bookworm", "python")]
    ):
        broken = tmp_path / f"{number}.Dockerfile"
        broken.write_text(RECIPE.read_text().replace(old, new))
        assert linted(broken).returncode, old


def test_the_recipe_names_no_registry_and_ends_as_a_user_without_rights():
    steps = instructions(RECIPE.read_text())
    assert {name for name, _ in steps} == ALLOWED
    (image,) = [words for name, words in steps if name == "FROM"]
    assert "/" not in image and "latest" not in image
    assert "://" not in RECIPE.read_text()
    users = [words for name, words in steps if name == "USER"]
    assert users and int(users[-1]) > 0
    names = [name for name, _ in steps]
    assert names.index("USER") < names.index("COPY"), "what is copied and installed belongs to the user"


def test_the_image_gets_what_it_copies_and_nothing_else():
    copied = [
        word for name, words in instructions(RECIPE.read_text()) if name == "COPY" for word in words.split()
    ]
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*" and {line.removeprefix("!") for line in lines[1:]} == set(copied[:-1])
    assert all((ROOT / name).is_file() for name in copied[:-1])


@pytest.mark.long
def test_the_commands_of_the_recipe_install_what_runs_the_workflow(tmp_path):
    """Run all but Debian's part of the recipe in an empty folder, with no other environment on the path.

    Packages may come from uv's cache, which the image does without.
    """
    folder = tmp_path / "opt"
    folder.mkdir()
    base = Path(sys.base_prefix) / "bin"
    cache = environments.run([environments.uv(), "cache", "dir"]).stdout.strip()
    # what leads to an index stays: certificates, proxies
    bare = {name: value for name, value in os.environ.items() if not name.startswith(ELSEWHERE)}
    bare |= {"HOME": str(tmp_path), "PATH": f"{base}:/usr/bin:/bin", "UV_CACHE_DIR": cache}
    ran = []
    for name, words in instructions(RECIPE.read_text()):
        if name == "COPY":
            for file in words.split()[:-1]:
                shutil.copy(ROOT / file, folder)
        elif name == "RUN":
            left = [part for part in words.split("&& ") if not part.startswith(DEBIAN)]
            if left:
                command = " && ".join(left).replace("UV_NO_CACHE=1 ", "").replace("PIP_NO_CACHE_DIR=1 ", "")
                done = environments.run(["sh", "-c", command], cwd=folder, env=bare, check=False)
                if done.returncode and re.search(environments.UNREACHABLE, done.stdout):
                    pytest.skip(f"the index cannot be reached:\n{done.stdout}")
                assert done.returncode == 0, done.stdout
                ran.append(command)
    assert ran == ["make .venv/.installed"]
    study = studies.copy_to(tmp_path / "study")
    inside = bare | {"PATH": f"{folder}/.venv/bin:/usr/bin:/bin"}
    done = environments.run(["snakemake", "-n", *studies.MICRO], cwd=study, env=inside)
    assert re.search(r"^total +\d+$", done.stdout, re.M)
    seen = environments.run(["python", "-c", "import sys, timm; print(*sys.path, timm.__file__)"], env=inside)
    assert str(folder) in seen.stdout and str(Path(sys.prefix) / "lib") not in seen.stdout
    shutil.rmtree(folder)
