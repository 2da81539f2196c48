"""Warehouses in which the models are built."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import psycopg
import pytest
from harness import config_for, few_senders, new_sandbox, run_tap
from transform.dbt_run import Built

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness import Output

    from tap_customerio.sandbox import Sandbox


@pytest.fixture(scope="session")
def make_built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Built]:
    """Creates a warehouse, duckdb or postgres: empty, or a copy."""

    def make(kind: str, original: Built | None = None) -> Built:
        folder = tmp_path_factory.mktemp(kind)
        if kind == "duckdb":
            if original:
                shutil.copy(original.folder / "warehouse.duckdb", folder)
            return Built(folder)
        server: str = request.getfixturevalue("postgres")
        name = folder.name
        template = original.folder.name if original else "template1"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"create database {name} template {template}".encode())
        return Built(folder, server.replace("/postgres?", f"/{name}?"))

    return make


@pytest.fixture(scope="session")
def modelled_sandbox() -> Iterator[Sandbox]:
    """The workspace of the models."""
    with new_sandbox(workspace=few_senders(per_day=15, people=40)) as box:
        yield box


@pytest.fixture(scope="session")
def modelled_output(modelled_sandbox: Sandbox) -> Output:
    """The tap's output for all streams."""
    return run_tap(config_for(modelled_sandbox, customers_sync="full"))


@pytest.fixture(scope="session", params=["duckdb", "postgres"])
def modelled(
    request: pytest.FixtureRequest,
    modelled_output: Output,
    make_built: Callable[..., Built],
) -> Built:
    """All streams of the workspace, loaded and built once for all tests that only read.

    On DuckDB, other tests run the data tests, too.
    """
    built = make_built(request.param)
    built.load(modelled_output.messages)
    built.dbt("build" if built.postgres else "run")
    return built
