"""Provenance: a planted tree of modules, and which edits of it a digest must and must not see."""

import shutil

import pytest

from codingaxes import provenance

TREE = {
    "fit.py": '''
        """Fit (rule fit)."""
        import json

        from codingaxes import ridge


        def main(run):
            """Fit one region."""
            return ridge.solve(json.loads(run))
    ''',
    "plot.py": "from codingaxes import plots\n",
    "codingaxes/__init__.py": '"""The library."""\n',
    "codingaxes/ridge.py": '''
        """Ridge regression."""


        class Ridge:
            """A fitted readout."""

            weights = None


        async def wait():
            """Do nothing."""


        def solve(x):
            """Solve the normal equations."""
            from codingaxes import folds

            return folds.split(x) + 1  # one more
    ''',
    "codingaxes/folds.py": "from .linear import algebra\n\n\ndef split(x):\n    return algebra.halve(x)\n",
    "codingaxes/linear/__init__.py": "SIZE = 2\n",
    "codingaxes/linear/algebra.py": "from .. import ridge as back\n\n\ndef halve(x):\n    return x / 2\n",
    "codingaxes/linear/unused.py": "VALUE = 1\n",
    "codingaxes/plots.py": "WIDTH = 3\n",
}


@pytest.fixture
def root(tmp_path):
    return plant(tmp_path / "scripts", TREE)


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip())
        path.write_text("\n".join(line[indent:] for line in lines) + "\n")
    return root


def edit(root, name, old, new):
    """Replace text in one file, and make sure that there was something to replace."""
    text = (root / name).read_text()
    assert old in text, f"the planted {name} holds no {old!r}"
    (root / name).write_text(text.replace(old, new))


def digests_around(root, name, old, new, script="fit.py"):
    before = provenance.code_of(script, root)
    edit(root, name, old, new)
    return before, provenance.code_of(script, root)


def test_a_digest_is_sixteen_hexadecimal_digits(root):
    digest = provenance.code_of("fit.py", root)
    assert len(digest) == 16 and set(digest) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("fit.py", "json.loads(run)", "json.loads(run)[0]", id="the script itself"),
        pytest.param("codingaxes/ridge.py", "+ 1", "+ 2", id="an imported module"),
        pytest.param("codingaxes/ridge.py", "weights = None", "weights = ()", id="a class attribute"),
        pytest.param("codingaxes/folds.py", "halve(x)", "halve(-x)", id="a module imported in a function"),
        pytest.param("codingaxes/linear/algebra.py", "x / 2", "x // 2", id="a module imported relatively"),
        pytest.param("codingaxes/linear/__init__.py", "2", "3", id="a package on the way to a module"),
        pytest.param("codingaxes/__init__.py", '"""The library."""', "import os", id="the library's init"),
    ],
)
def test_an_edit_of_reachable_code_changes_the_digest(root, name, old, new):
    before, after = digests_around(root, name, old, new)
    assert before != after


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("codingaxes/plots.py", "3", "4"),
        ("codingaxes/linear/unused.py", "1", "2"),
        ("plot.py", "import plots", "import plots as p"),
    ],
)
def test_an_edit_of_unreachable_code_changes_nothing(root, name, old, new):
    before, after = digests_around(root, name, old, new)
    assert before == after


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("# one more", "# and one", id="a comment"),
        pytest.param('"""Ridge regression."""', '"""Another\n\ntext."""', id="the docstring of a module"),
        pytest.param('"""Ridge regression."""', "", id="no docstring"),
        pytest.param('"""A fitted readout."""', '"""A class."""', id="the docstring of a class"),
        pytest.param('"""Solve the normal equations."""', "'Solve.'", id="the docstring of a function"),
        pytest.param('"""Do nothing."""', "pass", id="a docstring that was a whole body"),
        pytest.param("    weights = None", "\n\n    weights = (\n        None\n    )\n", id="formatting"),
        pytest.param("\n", "\r\n", id="line ends"),
    ],
)
def test_comments_docstrings_and_formatting_change_nothing(root, old, new):
    path = root / "codingaxes/ridge.py"
    before = provenance.code_of("fit.py", root)
    source = path.read_bytes()
    assert old.encode() in source
    path.write_bytes(source.replace(old.encode(), new.encode()))
    assert provenance.code_of("fit.py", root) == before


def test_a_docstring_for_a_file_that_had_none_changes_nothing(root):
    before, after = digests_around(root, "codingaxes/__init__.py", '"""The library."""', "")
    assert before == after


def test_a_string_that_is_no_docstring_counts_as_code(root):
    edit(root, "codingaxes/plots.py", "3", "'three'")
    before, after = digests_around(root, "codingaxes/plots.py", "three", "four", script="plot.py")
    assert before != after


@pytest.mark.parametrize(
    "statement",
    [
        "import codingaxes.plots",
        "import os, codingaxes.plots as p",
        "from codingaxes import folds, plots",
        "from codingaxes.plots import WIDTH",
        "from codingaxes import *",
        "if True:\n    try:\n        from codingaxes import plots\n    except ImportError:\n        pass",
    ],
)
def test_every_form_of_import_is_followed(root, statement):
    plant(root, {"other.py": statement})
    before, after = digests_around(root, "codingaxes/plots.py", "3", "4", script="other.py")
    assert before != after


def test_a_reached_module_that_appears_later_changes_the_digest(root):
    plant(root, {"other.py": "from codingaxes import late"})
    before = provenance.code_of("other.py", root)
    plant(root, {"codingaxes/late.py": "VALUE = 1"})
    assert provenance.code_of("other.py", root) != before


def test_modules_that_import_each_other_reach_the_same_code(root):
    digest = provenance.code_of("codingaxes/ridge.py", root)
    assert digest == provenance.code_of("codingaxes/folds.py", root)
    assert digest != provenance.code_of("codingaxes/plots.py", root)


def test_undoing_an_edit_gives_the_former_digest_back(root):
    before, after = digests_around(root, "codingaxes/ridge.py", "+ 1", "+ 2")
    back = digests_around(root, "codingaxes/ridge.py", "+ 2", "+ 1")[1]
    assert before == back != after


def test_the_place_of_the_folder_does_not_matter(root, tmp_path):
    moved = shutil.copytree(root, tmp_path / "elsewhere" / "scripts")
    digest = provenance.code_of("fit.py", root)
    assert digest == provenance.code_of("fit.py", moved) == provenance.code_of(root / "fit.py", str(root))


def test_the_version_of_python_does_not_matter(tmp_path):
    """The digest was noted down with 3.11 and found again with 3.12 and 3.13, which parse f-strings anew."""
    plant(tmp_path, {"a.py": """def show(x, *, width=3): return f"{x['a']:>{width}} {x!r} {{}}"\n"""})
    assert provenance.code_of("a.py", tmp_path) == "d06fd12533723100"


def test_a_missing_script_is_named(root):
    with pytest.raises(FileNotFoundError, match=r"fti\.py: no such script"):
        provenance.code_of("fti.py", root)


def test_a_reached_file_with_a_syntax_error_is_named(root):
    edit(root, "codingaxes/folds.py", "def split(x):", "def split(x:")
    with pytest.raises(ValueError, match=r"folds\.py is not valid Python"):
        provenance.code_of("fit.py", root)


def test_an_absolute_path_outside_the_folder_is_refused(root, tmp_path):
    with pytest.raises(ValueError, match=r"stray\.py"):
        provenance.code_of(tmp_path / "stray.py", root)


def test_the_library_itself_can_be_digested_from_where_it_lies():
    assert provenance.code_of("codingaxes/provenance.py") == provenance.code_of(provenance.__file__)
