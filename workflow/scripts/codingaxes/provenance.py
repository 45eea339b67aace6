"""A digest of all local code that a script can reach, so that changed code reruns exactly what it touches.

Snakemake's triggers see a changed script, but not a changed module that the script imports. A rule therefore
carries `code_of("script.py")` among its params: when the digest changes, the rule runs again.
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]


def code_of(script, root=SCRIPTS):
    """Digest of a script and of every local module that it imports, directly or through other modules.

    Comments, docstrings and formatting do not count; any other edit of a reached file does. Imports are found
    by reading the source, wherever they stand (also inside functions), and nothing is executed. Not seen:
    modules imported by a name computed at run time, data files, and code that makes use of its docstrings.

    Parameters
    ----------
    script : str or path
        The script, relative to `root` (or absolute, but inside `root`).
    root : str or path
        The folder from which local modules are imported. What is not found there (installed packages, the
        standard library) does not count: versions of those are the business of the environment.

    Returns
    -------
    str
        16 hexadecimal digits, the same wherever the folder lies.

    Raises
    ------
    FileNotFoundError
        If there is no such script.
    ValueError
        If a reached file is not valid Python, or `script` is an absolute path outside `root`.
    """
    root = Path(root)
    start = (root / script).relative_to(root)
    if not (root / start).is_file():
        raise FileNotFoundError(f"{root / start}: no such script, so its code cannot be digested")
    normal_forms, pending = {}, [start]
    while pending:
        file = pending.pop()
        if file.as_posix() in normal_forms:
            continue
        normal_forms[file.as_posix()], names = _understand((root / file).read_bytes(), root, file)
        pending += [found for name in names for found in _files_run_by_importing(name, root)]
    return hashlib.sha256(json.dumps(normal_forms, sort_keys=True).encode()).hexdigest()[:16]


@cache  # keyed by the content, so that an edited file is never taken for its former self
def _understand(source, root, file):
    """The normal form of one file's source, and the dotted names that it imports."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        message = f"{root / file} is not valid Python, so its code cannot be digested: {error}"
        raise ValueError(message) from error
    names = tuple(_imported_names(tree, package=file.parent.parts))
    for node in ast.walk(tree):
        if _has_docstring(node):
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
    return _normal_form(tree), names


def _has_docstring(node):
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None


def _normal_form(node):
    """Syntax as nested lists without positions; the same in Python 3.11 to 3.13 (`ast.unparse` is not)."""
    if isinstance(node, list):
        return [_normal_form(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name != "kind"}
    if isinstance(node, ast.JoinedStr):  # some versions add empty pieces of text
        fields["values"] = [piece for piece in node.values if getattr(piece, "value", None) != ""]
    kept = ([name, _normal_form(value)] for name, value in fields.items() if value not in (None, []))
    return [type(node).__name__, *kept]


def _imported_names(tree, package):
    """Absolute dotted names; those after `from ... import` may also be functions, which lead to no file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: max(0, len(package) - node.level + 1)] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _files_run_by_importing(name, root):
    """The local files, relative to `root`, of a dotted name: each package on the way, then the module.

    The name may end in a star: all that lies in the package then counts, since its `__all__` may name it.
    """
    *packages, last = name.split(".")
    for depth in range(len(packages)):
        yield from _file_of(packages[: depth + 1], root)
    modules = [path.stem for path in root.joinpath(*packages).glob("*")] if last == "*" else [last]
    for module in modules:
        yield from _file_of([*packages, module], root)


def _file_of(parts, root):
    """The file that Python would run for a module, if any: a package wins over a module of the same name."""
    files = (Path(*parts, "__init__.py"), Path(*parts[:-1], f"{parts[-1]}.py"))
    return [file for file in files if (root / file).is_file()][:1]
