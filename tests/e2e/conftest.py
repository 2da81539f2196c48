"""Real targets, databases and Meltano: created on first use, removed at the end."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
import yaml
from e2e.processes import ROOT, environment, installed, run, write
from e2e.project import ExternalServers, Project
from e2e.warehouse import Warehouse
from servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

MakeVenv = Callable[[str], Path]
MakeWarehouse = Callable[[str, Path], Warehouse]


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Run in one worker at a time."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder shared by all workers of a session."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def cache(shared: Path) -> Path:
    """The download cache: for this session, or at TAP_CUSTOMERIO_E2E_CACHE."""
    kept = os.environ.get("TAP_CUSTOMERIO_E2E_CACHE")
    folder = Path(kept).absolute() if kept else shared / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def make_venv(cache: Path) -> MakeVenv:
    """Creates virtual environments with some requirements; returns their folder of programs."""

    def make(requirements: str) -> Path:
        wanted = f"{sys.version} {requirements}"
        folder = cache / f"venv-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
        complete, python = folder / "complete", folder / "bin" / "python"
        uv, env = [sys.executable, "-m", "uv", "-q"], environment(UV_CACHE_DIR=str(cache / "uv"))
        with alone(cache):
            if not complete.exists():
                run([*uv, "venv", "--clear", "--python", sys.executable, str(folder)], env=env)
                install = ["pip", "install", "--python", str(python)]
                run([*uv, *install, *requirements.split()], env=env)
                complete.touch()
        return python.parent

    return make


@pytest.fixture(scope="session")
def plugins() -> dict[str, dict[str, Any]]:
    """The plugins of meltano.yml, by name."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    return {plugin["name"]: plugin for kind in project["plugins"].values() for plugin in kind}


@pytest.fixture(scope="session")
def shipped(plugins: dict[str, dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """The settings of a plugin in meltano.yml."""

    def values(plugin: str) -> dict[str, Any]:
        settings = plugins[plugin]["settings"]
        return {setting["name"]: setting["value"] for setting in settings if "value" in setting}

    return values


@pytest.fixture(scope="session")
def external_servers() -> Iterator[ExternalServers]:
    """Servers that nothing may call."""
    with serving(ExternalServers()) as server:
        yield server


@pytest.fixture(scope="session")
def project(
    shared: Path,
    cache: Path,
    make_venv: MakeVenv,
    external_servers: ExternalServers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """meltano.yml in a separate folder, with the path of this package.

    The first worker installs the plugins for all.
    """
    shipped = (ROOT / "meltano.yml").read_text()
    folder = tmp_path_factory.mktemp("project")
    moved = re.sub(r"pip_url: -e \.(\S*)", rf"pip_url: -e '{ROOT}\1'", shipped)
    (folder / "meltano.yml").write_text(moved)
    (folder / "transform").symlink_to(ROOT / "transform")
    requirement = f"meltano{yaml.safe_load(shipped)['requires_meltano']}"
    variables = {
        "MELTANO_PROJECT_ROOT": str(folder),
        "MELTANO_HUB_URL": external_servers.url,
        "MELTANO_SNOWPLOW_COLLECTOR_ENDPOINTS": json.dumps([external_servers.url]),
        "MELTANO_STATE_BACKEND_URI": (folder / "state").as_uri(),
        "UV_CACHE_DIR": str(cache / "uv"),
    }
    project = Project(folder, str(make_venv(requirement) / "meltano"), variables, external_servers)
    first = shared / "plugins"
    with alone(shared):
        if first.exists():
            (folder / ".meltano").mkdir()
            for kind in ("extractors", "loaders", "utilities"):
                (folder / ".meltano" / kind).symlink_to(first / kind)
        else:
            project.meltano("install")
            first.symlink_to(folder / ".meltano")
    return project


@pytest.fixture(scope="session")
def make_warehouse(
    request: pytest.FixtureRequest, shipped: Callable[[str], dict[str, Any]]
) -> MakeWarehouse:
    """Creates empty databases of a kind; DuckDB uses a file in the folder."""

    def make(kind: str, folder: Path) -> Warehouse:
        if kind == "duckdb":
            path = str(folder / Path(shipped("target-duckdb")["path"]).name)
            return Warehouse(kind, {"path": path}, lambda: duckdb.connect(path, read_only=True))
        server: str = request.getfixturevalue("postgres")
        name = f"db_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"create database {name}".encode())
        uri = server.replace("/postgres?", f"/{name}?")
        url = uri.replace("postgresql:", "postgresql+psycopg:")
        return Warehouse(kind, {"sqlalchemy_url": url}, lambda: psycopg.connect(uri))

    return make


@pytest.fixture(scope="session")
def target_command(
    plugins: dict[str, dict[str, Any]], shipped: Callable[[str], dict[str, Any]]
) -> Callable[..., list[str]]:
    """The target's command, with the settings of meltano.yml and the database."""

    def command(warehouse: Warehouse, folder: Path, **settings: Any) -> list[str]:
        config = {**shipped(warehouse.loader), **warehouse.place, **settings}
        program = installed(plugins[warehouse.loader]["executable"])
        return [program, "--config", write(folder / "target.json", config)]

    return command
