"""Digest all local code that a script can reach, so that changed code reruns exactly what it touches.

Snakemake's triggers see a changed script, but not a changed module that the script imports. A rule therefore
carries `code_of("script.py")` among its params: when the digest changes, the rule runs again.
"""

import ast
import hashlib
import json
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]


def code_of(script, root=SCRIPTS):
    """Digest a script and every local module that it imports, directly or through other modules.

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
    root, digests = Path(root), {}
    for file in reached_files(script, root):
        digests[file.as_posix()], _ = _understand((root / file).read_bytes(), root, file)
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16]


def reached_files(script, root=SCRIPTS):
    """List a script and the files of every local module that it imports, directly or through other modules.

    Parameters, errors and what is not seen are those of `code_of`.

    Returns
    -------
    list of Path
        Relative to `root`, each once, the script first.
    """
    root = Path(root)
    start = (root / script).relative_to(root)
    if not (root / start).is_file():
        raise FileNotFoundError(f"{root / start}: no such script, so its code cannot be digested")
    local = {file.relative_to(root).as_posix() for file in root.rglob("*.py")}
    files, pending = {}, [start.as_posix()]
    while pending:
        file = pending.pop()
        if file not in files:
            _, files[file] = _understand((root / file).read_bytes(), root, Path(file))
            pending += [other for name in files[file] for other in _files_run_by_importing(name, local)]
    return [Path(file) for file in files]


@cache  # keyed by the content, so that an edited file is never taken for its former self
def _understand(source, root, file):
    """Return the digest of one file's source, and the dotted names that it imports."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        message = f"{root / file} is not valid Python, so its code cannot be digested: {error}"
        raise ValueError(message) from error
    imports = []
    text = json.dumps(_normal_form(tree, imports))
    names = tuple(name for node in imports for name in _imported_names(node, package=file.parent.parts))
    return hashlib.sha256(text.encode()).hexdigest(), names


def _normal_form(node, imports):
    """Write syntax as nested lists without positions and docstrings, and add imports to the list `imports`.

    The lists are the same in Python 3.11 to 3.13 (`ast.unparse` is not).
    """
    if isinstance(node, list):
        return [_normal_form(item, imports) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Import | ast.ImportFrom):
        imports.append(node)
    form = [type(node).__name__]
    for name in node._fields:
        value = getattr(node, name, None)
        if name == "body" and _has_docstring(node):
            value = value[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
        elif isinstance(node, ast.JoinedStr):  # some versions add empty pieces of text
            value = [piece for piece in value if getattr(piece, "value", None) != ""]
        if value is not None and value != [] and name != "kind":
            form.append([name, _normal_form(value, imports)])
    return form


def _has_docstring(node):
    """Tell whether a node of the syntax tree begins with a docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None


def _imported_names(node, package):
    """Yield absolute dotted names; after `from ... import` also those of functions, which lead to no file."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    else:
        above = package[: max(0, len(package) - node.level + 1)] if node.level else ()
        base = ".".join([*above, *([node.module] if node.module else [])])
        yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _files_run_by_importing(name, local):
    """Yield which of the local files a dotted name runs: each package on the way, then the module.

    The name may end in a star: all that lies in the package then counts, since its `__all__` may name it.
    A package wins over a module of the same name, as in Python.
    """
    *packages, last = name.split(".")
    paths = ["/".join(packages[: depth + 1]) for depth in range(len(packages))]
    prefix = "".join(f"{package}/" for package in packages)
    if last == "*":
        inside = [file.removeprefix(prefix) for file in local if file.startswith(prefix)]
        paths += [prefix + part.partition("/")[0].removesuffix(".py") for part in inside]
    else:
        paths.append(prefix + last)
    for path in paths:
        files = (f"{path}/__init__.py", f"{path}.py")
        yield from [file for file in files if file in local][:1]


def commit_of(file):
    """Find the commit of the repository that a file lies in; "+" follows it where tracked files were edited.

    Returns
    -------
    str
        Empty where there is no repository, or no git.
    """
    folder = str(Path(file).resolve().parent)
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        edited = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit + "+" * bool(edited)


def _git(folder, *arguments):
    """Run git in a folder; what it printed."""
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def versions(*packages):
    """Give the installed versions of packages by name; python stands for the interpreter."""
    return {name: sys.version.split()[0] if name == "python" else metadata.version(name) for name in packages}
