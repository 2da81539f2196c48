"""Which modules import which (no cycle), and the length of functions and modules."""

from __future__ import annotations

import ast
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


MODULES = {_name(path): path for path in PACKAGE.rglob("*.py")}
SOURCES = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}

TESTS = Path(__file__).parent
SOURCES_OF_TESTS = {
    str(path.relative_to(TESTS)): path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py")
}

LONGEST_FUNCTION = 40
LONGEST_MODULE = 400


def _imports(module: str) -> set[str]:
    """Modules of the package that a module imports anywhere, also for types only."""
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(name if name in MODULES else node.module for name in names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found & MODULES.keys() - {module}


IMPORTS = {module: _imports(module) for module in MODULES}


def test_modules_form_no_import_cycle() -> None:
    TopologicalSorter(IMPORTS).prepare()  # a CycleError names the modules


def test_the_sandbox_imports_nothing_from_the_tap() -> None:
    sandbox = {name for name in MODULES if name.startswith("tap_customerio.sandbox")}
    assert set().union(*(IMPORTS[name] for name in sandbox)) <= sandbox


def test_the_api_imports_no_stream() -> None:
    api = {name for name in MODULES if name.startswith("tap_customerio.api.")}
    found = set().union(*(IMPORTS[name] for name in api))
    assert not {name for name in found if name.split(".")[1] in {"streams", "sync", "commands"}}


def _functions(sources: Mapping[str, str]) -> dict[str, int]:
    """Lines of each function."""
    return {
        f"{name}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("sources", [SOURCES, SOURCES_OF_TESTS], ids=["product", "tests"])
def test_functions_are_short(sources: Mapping[str, str]) -> None:
    lengths = _functions(sources)
    assert len(lengths) > len(sources)
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION}


@pytest.mark.parametrize("sources", [SOURCES, SOURCES_OF_TESTS], ids=["product", "tests"])
def test_modules_are_short(sources: Mapping[str, str]) -> None:
    lengths = {name: source.count("\n") for name, source in sources.items()}
    assert not {name: length for name, length in lengths.items() if length > LONGEST_MODULE}
