"""Which modules import which (no cycle), and the length of functions and modules."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tap_customerio

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = Path(tap_customerio.__file__).parent


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TESTS = Path(__file__).parent
MODULES = {_name(path): path for path in PACKAGE.rglob("*.py")}
MODULES_OF_TESTS = {str(path.relative_to(TESTS)): path for path in TESTS.rglob("*.py")}

LONGEST_FUNCTION = 40
LONGEST_MODULE = 400


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(module: str) -> set[str]:
    """Modules of the package that a module imports anywhere, also for types only."""
    found: set[str] = set()
    for node in ast.walk(_tree(MODULES[module])):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(name if name in MODULES else node.module for name in names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found & MODULES.keys() - {module}


@pytest.mark.slow
def test_modules_form_no_import_cycle() -> None:
    graph = {module: _imports(module) for module in MODULES}
    TopologicalSorter(graph).prepare()  # a CycleError names the modules


def test_the_sandbox_imports_nothing_from_the_tap() -> None:
    sandbox = {name for name in MODULES if name.startswith("tap_customerio.sandbox")}
    assert set().union(*(_imports(name) for name in sandbox)) <= sandbox


def test_the_api_imports_no_stream() -> None:
    api = {name for name in MODULES if name.startswith("tap_customerio.api.")}
    found = set().union(*(_imports(name) for name in api))
    assert not {name for name in found if name.split(".")[1] in {"streams", "sync", "commands"}}


def _functions(modules: Mapping[str, Path]) -> dict[str, int]:
    """Lines of each function."""
    return {
        f"{name}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, path in modules.items()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("modules", [MODULES, MODULES_OF_TESTS], ids=["product", "tests"])
def test_functions_are_short(modules: Mapping[str, Path]) -> None:
    lengths = _functions(modules)
    assert len(lengths) > len(modules)
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION}


@pytest.mark.parametrize("modules", [MODULES, MODULES_OF_TESTS], ids=["product", "tests"])
def test_modules_are_short(modules: Mapping[str, Path]) -> None:
    lengths = {name: path.read_text(encoding="utf-8").count("\n") for name, path in modules.items()}
    assert not {name: length for name, length in lengths.items() if length > LONGEST_MODULE}
