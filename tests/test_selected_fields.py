"""Selection: a misspelt field stops the run, and tests of the tap use it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from harness import Output, select
from map_runs import SCHEMAS, STREAMS, records, sync
from terminal import config_file, typed

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            ["custmers.*"],
            "Rule 'custmers.*' of select fits no stream: there is no stream 'custmers'",
        ),
        (
            ["*.*", "!customers.emial"],
            "names field 'emial', which stream 'customers' does not have",
        ),
        (["*.*", "!customers.emial"], "did you mean 'email'?"),
        (["customers.attributes.plan"], "did you mean 'attributes'?"),
        (["customers.attributes.*"], "names field 'attributes.*', which stream 'customers'"),
        (["customers.*", "!customers.attributes.*"], "names field 'attributes.*', which stream"),
        (["messages.metrics.opend"], "did you mean 'metrics'?"),
    ],
)
def test_a_meltano_rule_without_a_match_is_named(
    sandbox: Sandbox, tmp_path: Path, rules: list[str], said: str
) -> None:
    environment = {"MELTANO_EXTRACT__SELECT": json.dumps(rules)}
    screen = typed("--config", config_file(sandbox, tmp_path), environment=environment)
    assert screen.code == 1
    assert said in screen.err
    assert sandbox.calls == []


def test_matching_meltano_rules_are_valid(sandbox: Sandbox, tmp_path: Path) -> None:
    rules = ["snippets.*", "!*.email", "~customer*.identifiers.*", "*", "messages.metrics.opened"]
    rules += ["customers.attributes", "customers.attributes.*", "messages.links.*", "messages.*"]
    environment = {
        "MELTANO_EXTRACT__SELECT": json.dumps(rules),
        "MELTANO_EXTRACT__SELECT_FILTER": '["!messages"]',
    }
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(select(["snippets"])))
    words = ("--config", config_file(sandbox, tmp_path), "--catalog", str(path))
    assert typed(*words, environment=environment).code == 0


def test_a_catalog_that_deselects_a_misspelt_field_is_rejected(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    catalog = select(["customers"])
    [entry] = [each for each in catalog["streams"] if each["tap_stream_id"] == "customers"]
    rule = {"breadcrumb": ["properties", "emial"], "metadata": {"selected": False}}
    entry["metadata"].append(rule)
    screen = sync(sandbox, tmp_path, catalog)
    assert screen.code == 1
    assert (
        "names field 'emial', which stream 'customers' does not have: did you mean 'em"
        in screen.err
    )
    assert sandbox.calls == []
    rule["breadcrumb"] = ["properties", "attributes", "properties", "plan"]
    screen = sync(sandbox, tmp_path, catalog)
    assert screen.code == 0
    assert not any("plan" in row["attributes"] for row in records(screen)["customers"])


def test_fields_missing_in_a_catalog_are_left_out_of_records_too(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    catalog = select(["customers"])
    [entry] = [each for each in catalog["streams"] if each["tap_stream_id"] == "customers"]
    members = entry["schema"]["properties"]
    for name in ("cio_id", "email"):
        del members[name]
    del members["identifiers"]["properties"]["email"]
    entry["schema"]["required"] = ["cio_id", "id"]
    deselected = {"breadcrumb": ["properties", "id"], "metadata": {"selected": False}}
    entry["metadata"] = [{"breadcrumb": [], "metadata": {"selected": True}}, deselected]
    screen = sync(sandbox, tmp_path, catalog)
    assert screen.code == 0
    assert "lacks these fields of stream customers, so they are left out: " in screen.err
    [schema] = [json.loads(line) for line in screen.lines if '"SCHEMA"' in line]
    known = schema["schema"]["properties"]
    assert "cio_id" in known
    assert schema["schema"]["required"] == ["cio_id"]
    for row in records(screen)["customers"]:
        assert row["cio_id"]
        assert row.keys() <= known.keys()
        assert "email" not in row
        assert "email" not in row["identifiers"]


def test_an_entry_that_only_names_a_stream_selects_all_its_fields(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    screen = sync(sandbox, tmp_path, {"streams": [{"tap_stream_id": "snippets"}]})
    assert screen.code == 0
    [schema] = [json.loads(line) for line in screen.lines if '"SCHEMA"' in line]
    assert schema["schema"]["properties"].keys() == SCHEMAS["snippets"]["properties"].keys()
    assert records(screen)["snippets"]


def test_schemas_of_a_tap_test_are_complete_for_every_stream(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    screen = typed("--config", config_file(sandbox, tmp_path), "--test=schema")
    assert screen.code == 0
    schemas = Output.of(line.encode() for line in screen.lines).schemas
    assert {name: {*schema["properties"]} for name, schema in schemas.items()} == {
        name: {*schema["properties"]} for name, schema in SCHEMAS.items()
    }


@pytest.mark.slow
def test_a_passing_tap_test_logs_no_error_and_uses_its_schemas(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    screen = typed("--config", config_file(sandbox, tmp_path), "--test")
    assert screen.code == 0
    assert "unhandled" not in screen.err
    assert "ERROR" not in screen.err
    output = Output.of(line.encode() for line in screen.lines)
    assert output.records.keys() == {*STREAMS}
    for stream, rows in output.records.items():
        for row in rows:
            assert row.keys() <= output.schemas[stream]["properties"].keys()


def test_a_misspelt_tap_test_reads_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    screen = typed("--config", config_file(sandbox, tmp_path), "--test=shema")
    assert screen.code != 0
    assert "'shema' is not one of 'all', 'schema'" in screen.err
    assert sandbox.calls == []


def test_an_error_with_a_sentence_is_not_called_unhandled(sandbox: Sandbox, tmp_path: Path) -> None:
    screen = sync(sandbox, tmp_path, app_api_key="wrong")
    assert screen.code == 1
    assert "app_api_key was refused" in screen.err
    assert "unhandled" not in screen.err


def test_an_error_without_one_is(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall_over(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr("tap_customerio.streams.people.Customers.record", fall_over)
    screen = sync(sandbox, tmp_path)
    assert screen.code == 1
    assert "An unhandled error occurred while syncing 'customers'" in screen.err
