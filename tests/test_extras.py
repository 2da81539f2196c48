"""Commands without the extra that they need."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from importlib import metadata
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from terminal import typed
from test_cli import COMMANDS

from tap_customerio import cli

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "words", "extra"),
    [
        ("httptools", ("demo",), "demo"),
        ("duckdb", ("demo", "--help"), "demo"),
        ("dbt", ("demo",), "demo"),
        ("starlette", ("sandbox", "--port", "1"), "sandbox"),
        ("vl_convert", ("report", "--warehouse", "duckdb:///a.duckdb"), "report"),
    ],
)
def test_a_command_without_its_extra_names_the_extra(
    missing: str, words: tuple[str, ...], extra: str
) -> None:
    done = without(missing, *words)
    assert done.returncode == 1
    assert f"run pip install '.[{extra}]' in a clone of the repository" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_without_extras_all_commands_work_except_three() -> None:
    extras = beyond_the_requirements()
    assert {"duckdb", "redis", "starlette"} <= extras
    done = without(extras, "--help")
    assert done.returncode == 0
    lines = done.stdout.partition("Commands:")[2].splitlines()
    assert {line.split()[0] for line in lines if line.strip()} >= {*COMMANDS}
    shown = " ".join(done.stdout.split())
    assert re.findall(r"needs the extra (\w+)", shown) == ["demo", "report", "sandbox"]
    assert "sandbox Serve a generated workspace on this machine until Ctrl+C. (needs" in shown
    assert without(extras, "--discover").returncode == 0
    assert "unsubscribed" in without(extras, "fields", "unsub").stdout


def beyond_the_requirements() -> set[str]:
    """Installed modules that `pip install .` does not install."""
    wanted, left = set[Requirement](), [Requirement("tap-customerio")]
    while left:
        wanted.add(one := left.pop())
        for extra in one.extras or {""}:
            needed = [*map(Requirement, _requires(one.name))]
            left += [
                need
                for need in needed
                if need not in wanted
                and (need.marker is None or need.marker.evaluate({"extra": extra}))
            ]
    ours = {canonicalize_name(one.name) for one in wanted}
    return {
        module
        for module, names in metadata.packages_distributions().items()
        if ours.isdisjoint(map(canonicalize_name, names))
    }


def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # for other systems
        return []


@pytest.mark.parametrize("source", [None, b"\xcb\r\r\n\xff", b"x = ("])
def test_commands_without_sources_and_extra_have_no_description(
    source: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in packages of compiled files only, or in an archive."""

    def load(name: str) -> ModuleType:
        if name == spec.name:
            raise ModuleNotFoundError(name="starlette")
        return importlib.import_module(name)

    path = tmp_path / "sandbox.pyc"
    if source is not None:
        path.write_bytes(source)
    spec = ModuleSpec("tap_customerio.commands.sandbox", None, origin=str(path))
    monkeypatch.setattr(cli, "find_spec", lambda _: spec)
    monkeypatch.setattr(cli, "importlib", SimpleNamespace(import_module=load))
    screen = typed("--help")
    assert screen.code == 0, screen.err
    assert "(needs the extra sandbox)" in screen.out


def without(missing: str | set[str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run with some packages missing."""
    hidden = {missing} if isinstance(missing, str) else missing
    script = (
        "import sys\n"
        f"class Missing:\n"
        f"    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {hidden!r}:\n"
        f"            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        f"sys.argv = ['tap-customerio', *{words!r}]\n"
        "from tap_customerio.cli import main; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
