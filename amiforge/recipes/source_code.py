"""Digests of the code that makes images, by its source text: no bytecode, no path, no time of a file counts.

A task's code is its module, the modules of its own package and of `amiforge.tasks` that it imports, however indirectly,
and the files that it puts on hosts. All other code that decides what is on an image is shared by all tasks.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

import amiforge

_PACKAGE = Path(amiforge.__file__).parent
_FILES = _PACKAGE / "files"
_TASKS = "amiforge.tasks"

#: What resources and systems are, and how a builder becomes an image. The engine decides when and how often something
#: is done, and not what: it is not among them.
_SHARED = (
    "resources",
    "systems",
    "engine/query.py",
    "engine/resource.py",
    "shell.py",
    "bake/quiesce.py",
    "bake/clean",
)


def task_code(kind: type) -> str:
    """Give the digest of a task's code; empty where that lies in no file, as what is typed into an interpreter."""
    found = _modules(kind.__module__)
    if kind.__module__ not in found:
        return ""
    return _digest({**found, **_carried(found.values()), **_beside(kind.__module__, found[kind.__module__])})


def shared_code() -> str:
    """Give the digest of the code that all tasks share."""
    paths = [_PACKAGE / name for name in _SHARED]
    modules = (file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py")))
    return _digest({file.relative_to(_PACKAGE).as_posix(): file for file in modules})


def _modules(first: str) -> dict[str, Path]:
    """Give a module and what it imports of its own package and of ours, by name."""
    within = {_TASKS, *([] if first.startswith("amiforge.") else [first.partition(".")[0]])}
    found: dict[str, Path] = {}
    pending = [first]
    for name in pending:
        file = None if name in found else _file(name)
        if file:
            found[name] = file
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            imported = _imported(package, file.read_bytes())
            pending += [each for each in imported if any(f"{each}.".startswith(f"{top}.") for top in within)]
    return found


def _file(module: str) -> Path | None:
    """Give the file of a module without importing it; None for a name that is none."""
    top, *rest = module.split(".")
    loaded = sys.modules.get(top)
    own = getattr(loaded, "__file__", None)
    stems = [Path(folder, *rest) for folder in getattr(loaded, "__path__", ())]
    files = [path for stem in stems for path in (stem / "__init__.py", stem.parent / f"{stem.name}.py")]
    if own and not rest:
        files.insert(0, Path(own))
    return next((path for path in files if path.is_file()), None)


@cache
def _imported(package: str, content: bytes) -> tuple[str, ...]:
    """Give what a module of a package may import: every name that could be a module, and the package itself."""
    found = [package]
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(dict.fromkeys(found))


def _carried(modules: Iterable[Path]) -> dict[str, Path]:
    """Give the files below amiforge/files, of each folder that modules name a file of."""
    texts = [file.read_bytes() for file in modules]
    named = (folder for folder in _FILES.iterdir() if any(f'"{folder.name}/'.encode() in text for text in texts))
    inside = (path for folder in named for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(_FILES).as_posix(): path for path in inside}


def _beside(module: str, file: Path) -> dict[str, Path]:
    """Give the files that lie in the folder of another package's task, and may go onto hosts: all that are no code."""
    if "." not in module or module.startswith("amiforge."):
        return {}
    inside = (path for path in file.parent.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"})
    return {path.relative_to(file.parent).as_posix(): path for path in inside}


def _digest(files: Mapping[str, Path]) -> str:
    lines = (f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for name, file in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
