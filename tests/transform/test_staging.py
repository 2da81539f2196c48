"""Every stream is a view with the same column names and types in all databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
import pytest
import yaml
from e2e import truth

from tap_customerio.streams import all_streams
from transform import staging

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Output
    from transform.dbt_run import Built

    from tap_customerio.sandbox import Sandbox

RENEW = "If this is meant, renew the models: python tests/transform/staging.py"
STREAMS = sorted(stream.name for stream in all_streams())


def test_sources_and_views_are_generated_from_the_schemas() -> None:
    kept = {path.name: path.read_text() for path in staging.FOLDER.iterdir()}
    assert kept == staging.files(), RENEW


@pytest.mark.parametrize(
    ("variables", "schema"),
    [
        ({}, "customerio"),
        ({"customerio_schema": "raw"}, "raw"),
        ({"customerio_workspaces": {"acme": "cio_a", "bora": "cio_b"}}, "cio_a"),
    ],
)
def test_the_source_is_the_schema_of_the_first_workspace(
    variables: dict[str, Any], schema: str
) -> None:
    [source] = yaml.safe_load((staging.FOLDER / "_sources.yml").read_text())["sources"]
    environment = jinja2.Environment(autoescape=False)
    assert environment.from_string(source["schema"]).render(var=variables.get) == schema


@pytest.mark.slow
def test_every_row_of_every_stream_is_in_its_view(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    selected = [
        f"select '{name}' as n, count(*) as c from stg_customerio__{name}" for name in STREAMS
    ]
    found = {row["n"]: row["c"] for row in modelled.ask(" union all ".join(selected))}
    assert found == truth.counts(modelled_sandbox, STREAMS)


@pytest.mark.slow
def test_views_keep_the_values(modelled: Built) -> None:
    query = """
        select m.created_at = r.created and m.id = r.id as same, m.workspace
        from stg_customerio__messages m left join customerio.messages r on m.id = r.id
    """
    rows = modelled.ask(query)
    assert {(row["same"], row["workspace"]) for row in rows} == {(True, "customerio")}


@pytest.mark.slow
def test_workspaces_are_united_and_missing_tables_are_empty(
    make_built: Callable[..., Built], modelled_output: Output
) -> None:
    built = make_built("duckdb")
    built.variables["customerio_workspaces"] = {"acme": "cio_a", "bora": "cio_b"}
    lists = [m for m in modelled_output.messages if m.get("stream") in {"campaigns", "segments"}]
    built.load(lists, "cio_a")
    campaigns = [m for m in lists if m["stream"] == "campaigns"]
    for message in campaigns:
        message.get("schema", {}).get("properties", {}).pop("tags", None)  # not selected
    built.load(campaigns, "cio_b")
    built.dbt("run", "--select", "stg_customerio__campaigns stg_customerio__s*")
    query = """
        select workspace, count(*) as n, count(tags) as tags
        from stg_customerio__{} group by workspace order by workspace
    """
    number = len(modelled_output.records["campaigns"])
    assert built.ask(query.format("campaigns")) == [
        {"workspace": "acme", "n": number, "tags": number},
        {"workspace": "bora", "n": number, "tags": 0},
    ]
    segments = "select distinct workspace from stg_customerio__segments"
    assert built.ask(segments) == [{"workspace": "acme"}]
    assert built.ask("select workspace, name, updated_at from stg_customerio__snippets") == []
