"""Tests of the structure: no import circle, no hidden import, short modules and functions, and the like."""

import ast
import re
from pathlib import Path

from codingaxes import provenance

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow/scripts"
LIBRARY = SCRIPTS / "codingaxes"
MODULES = sorted(file for file in LIBRARY.rglob("*.py") if file.name != "__init__.py")
FILES = sorted(SCRIPTS.rglob("*.py"))
# Heavy packages that only some jobs of a module need.
HEAVY = {"sklearn", "timm", "torchvision", "huggingface_hub"}
MODULE_LINES, FUNCTION_LINES = 400, 50  # of a function without its docstring


def name_of(file):
    """Name a file below workflow/scripts."""
    return file.relative_to(SCRIPTS).as_posix()


def imports_of(file):
    """Modules of the library that a file imports itself."""
    tree = ast.parse(file.read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file} imports relatively; write the whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    files = {SCRIPTS.joinpath(*name.split(".")).with_suffix(".py") for name in names}
    return {other for other in files if other in MODULES}


def functions_of(file):
    """Functions and methods of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, kinds)]


def test_no_module_imports_itself_through_others():
    below = {file: imports_of(file) for file in MODULES}
    while True:  # take away what imports nothing that is left: a circle stays
        free = {file for file, others in below.items() if not others & set(below)}
        if not free:
            break
        below = {file: others for file, others in below.items() if file not in free}
    assert not below, f"a circle among {sorted(map(name_of, below))}"


def test_no_function_hides_an_import_but_of_a_heavy_package():
    hidden = []
    for file in FILES:
        for function in functions_of(file):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    names = node.names if isinstance(node, ast.Import) else [ast.alias(node.module)]
                    packages = {alias.name.partition(".")[0] for alias in names} - HEAVY
                    hidden += [f"{name_of(file)}, line {node.lineno}: {package}" for package in packages]
    assert not hidden, f"import at the top: {hidden}"


def test_every_init_file_is_empty_and_every_folder_of_modules_has_one():
    folders = {file.parent for file in MODULES}
    assert {file.parent for file in LIBRARY.rglob("__init__.py")} == folders
    assert all((folder / "__init__.py").read_bytes() == b"" for folder in folders)


def test_modules_and_functions_are_short():
    long = []
    for file in FILES:
        lines = len(file.read_text().splitlines())
        long += [f"{name_of(file)}: {lines} lines"] * (lines > MODULE_LINES)
        for function in functions_of(file):
            body = function.body[1:] if ast.get_docstring(function) else function.body
            lines = function.end_lineno - body[0].lineno + 1 if body else 0
            long += [f"{name_of(file)}, {function.name}: {lines} lines"] * (lines > FUNCTION_LINES)
    assert not long, f"divide what is too long: {long}"


def is_set(node, names=frozenset()):
    """Tell whether an expression is a set; `names` are those of variables that are."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.BitOr | ast.BitAnd | ast.BitXor):
        return is_set(node.left, names) or is_set(node.right, names)
    called = node.func if isinstance(node, ast.Call) else None
    return (
        isinstance(node, ast.Set | ast.SetComp)
        or (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(called, ast.Name) and called.id in {"set", "frozenset"})
        or (isinstance(called, ast.Attribute) and called.attr in {"union", "intersection", "difference"})
    )


def ordered_sets(function):
    """List what a function does in the order of a set: loops, lists and texts."""
    assigned = [node for node in ast.walk(function) if isinstance(node, ast.Assign) and is_set(node.value)]
    names = {target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)}
    found = []
    for node in ast.walk(function):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(node, ast.For):
            over = [node.iter]
        elif isinstance(node, ast.ListComp | ast.DictComp):
            over = [part.iter for part in node.generators]
        elif (isinstance(called, ast.Name) and called.id in {"list", "tuple", "enumerate", "zip", "map"}) or (
            isinstance(called, ast.Attribute) and called.attr == "join"
        ):
            over = [*node.args, *(part.iter for one in node.args for part in getattr(one, "generators", []))]
        else:
            continue
        found += [one.lineno for one in over if is_set(one, names)]
    return found


def test_nothing_is_done_in_the_order_of_a_set():
    # texts in a set come in another order in each process
    assert ordered_sets(ast.parse("def f(a, b):\n    for x in set(a) - b:\n        print(x)")) == [2]
    assert ordered_sets(ast.parse("def f(a):\n    c = {x for x in a}\n    return ', '.join(c)")) == [3]
    assert ordered_sets(ast.parse("def f(a):\n    return ', '.join(x for x in set(a))")) == [2]
    assert not ordered_sets(ast.parse("def f(a, b):\n    return [x for x in sorted(set(a)) if x in set(b)]"))
    wrong = {
        name_of(file): [line for node in functions_of(file) for line in ordered_sets(node)] for file in FILES
    }
    assert not {name: lines for name, lines in wrong.items() if lines}


def test_the_job_and_the_store_know_no_table():
    for module in ("job.py", "tables/store.py"):
        files = provenance.reached_files(f"codingaxes/{module}")
        tables = [file for file in files if file.parent.name == "tables"]
        assert {file.stem for file in tables} <= {"__init__", "store"}


def test_a_figure_estimates_nothing():
    for script in sorted(SCRIPTS.glob("plot_*.py")):
        packages = {file.parts[1] for file in provenance.reached_files(script.name) if len(file.parts) > 2}
        assert packages <= {"tables", "figures"}, f"{script.name} reaches {packages}"
        imports = [node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.Import)]
        froms = [node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.ImportFrom)]
        names = {alias.name for node in imports for alias in node.names} | {node.module for node in froms}
        statistics = {name for name in names if name.partition(".")[0] in ("scipy", "sklearn", "statistics")}
        assert not statistics, f"{script.name} imports {statistics}: a figure computes nothing"


def test_every_script_belongs_to_a_rule_of_its_name():
    rules = "".join(file.read_text() for file in (ROOT / "rules").glob("*.smk"))
    for script in SCRIPTS.glob("*.py"):
        assert f"rule {script.stem}:" in rules or f" as {script.stem} with:" in rules, script.name


def test_every_module_says_what_it_is_for():
    files = [file for file in (*FILES, *(ROOT / "tests").rglob("*.py")) if file.name != "__init__.py"]
    silent = [file.name for file in files if not ast.get_docstring(ast.parse(file.read_text()))]
    assert not silent, f"begin with a docstring: {silent}"


# What writes a file, by the name of the call; and functions that write below a name of their own choice.
WRITING = {"to_csv", "to_parquet", "write_text", "write_bytes", "savez", "savefig", "savemat", "save_file"}
STAGING = {
    "tables/store.py: _seal": "is given the temporary name",
    "downloads/fetch.py: _claim": "a download grows in a staging file, to be resumed",
    "networks/dreamsim.py: _unpack": "in a temporary folder",
}


def opens_to_write(call):
    """Tell whether a call of open or h5py.File has a mode that writes."""
    values = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant)]
    return any(isinstance(value, str) and re.fullmatch(r"[wax]b?|r\+b?", value) for value in values)


def writes(node):
    """Tell whether a node of the syntax tree writes a file."""
    if not isinstance(node, ast.Call):
        return False
    name, of = getattr(node.func, "attr", getattr(node.func, "id", "")), getattr(node.func, "value", None)
    in_memory = node.args and getattr(node.args[0], "id", "") in ("memory", "buffer")
    if in_memory or getattr(of, "id", "") == "writing":
        return False
    if name in ("open", "File"):
        return opens_to_write(node)
    # Image.fromarray(...).save(path), or nibabel.save(volume, path)
    pillow = name == "save" and (isinstance(of, ast.Call) or getattr(of, "id", "") == "nibabel")
    return name in WRITING or pillow


def unguarded(file):
    """List the functions of a file that write a file outside `writing.whole`."""
    place = file.relative_to(LIBRARY if LIBRARY in file.parents else SCRIPTS).as_posix()
    trees = [ast.parse(ast.unparse(function)).body[0] for function in functions_of(file)]
    found = set()
    for function in trees:
        guards = [node for node in ast.walk(function) if isinstance(node, ast.With)]
        guards = [node for node in guards if any("writing.whole(" in ast.unparse(i) for i in node.items)]
        guarded = {id(node) for guard in guards for node in ast.walk(guard)}
        if any(writes(node) and id(node) not in guarded for node in ast.walk(function)):
            found.add(f"{place}: {function.name}")
    return found


def test_every_file_is_written_whole_or_not_at_all():
    found = set().union(*(unguarded(file) for file in FILES if file.name != "writing.py"))
    assert found == set(STAGING), f"write within `with writing.whole(path) as temporary`: {found}"
