"""Which modules import which: no cycle, and the sandbox depends on nothing of the tap."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import tap_customerio

PACKAGE = Path(tap_customerio.__file__).parent


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in PACKAGE.rglob("*.py")}


def _imports(module: str) -> set[str]:
    """Modules of the package that one imports anywhere, also for types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(name if name in MODULES else node.module for name in names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found & MODULES.keys() - {module}


IMPORTS = {module: _imports(module) for module in MODULES}


def test_modules_form_no_import_cycle() -> None:
    TopologicalSorter(IMPORTS).prepare()  # a CycleError names the modules


def test_the_sandbox_imports_nothing_of_the_tap() -> None:
    sandbox = {name for name in MODULES if name.startswith("tap_customerio.sandbox")}
    assert set().union(*(IMPORTS[name] for name in sandbox)) <= sandbox


def test_the_api_knows_no_stream() -> None:
    api = {name for name in MODULES if name.startswith("tap_customerio.api.")}
    found = set().union(*(IMPORTS[name] for name in api))
    assert not {name for name in found if name.split(".")[1] in {"streams", "sync", "commands"}}
