"""Batch files follow stream maps and the selection."""

from __future__ import annotations

import copy
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from harness import config_for, few_senders, run_tap
from map_runs import deselected, sync
from singer_sdk.exceptions import ConfigValidationError

from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


def batches(folder: Path) -> dict[str, Any]:
    """Batch files with three rows each."""
    encoding = {"format": "jsonl", "compression": "gzip"}
    return {"encoding": encoding, "storage": {"root": folder.as_uri()}, "batch_size": 3}


@pytest.mark.slow
def test_batch_files_contain_selected_and_mapped_fields_of_each_stream(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    sandbox = make_sandbox(workspace=few_senders(since=parse("2026-03-16"), people=12))
    folder = tmp_path / "files"
    folder.mkdir()
    catalog = deselected("customers", "attributes", "identifiers.email")
    maps = {
        "customers": {"email": "__NULL__", "hash": "md5(email) if email else None"},
        "people": {
            "__source__": "customers",
            "__filter__": "email",
            "__else__": None,
            "cio_id": "cio_id",
        },
    }
    plain = run_tap(config_for(sandbox), streams=["customers"]).records["customers"]
    screen = sync(sandbox, tmp_path, catalog, stream_maps=maps, batch_config=batches(folder))
    assert screen.code == 0, screen.err
    found: dict[str, list[dict[str, Any]]] = {"customers": [], "people": []}
    lines = [json.loads(line) for line in screen.lines]
    for line in lines:
        for url in line.get("manifest", ()):
            rows = gzip.decompress((folder / url.rpartition("/")[2]).read_bytes()).splitlines()
            found[line["stream"]] += map(json.loads, rows)
    assert len(list(folder.iterdir())) == sum(line["type"] == "BATCH" for line in lines)
    assert {row["cio_id"] for row in found["customers"]} == {row["cio_id"] for row in plain}
    assert {row["cio_id"] for row in found["people"]} == {r["cio_id"] for r in plain if r["email"]}
    addresses = [row["email"] for row in plain if row["email"]]
    assert addresses
    assert not any(address in json.dumps(found) for address in addresses)
    assert all("attributes" not in row for row in found["customers"])
    schemas = {line["stream"]: line["schema"] for line in lines if line["type"] == "SCHEMA"}
    for stream, mapped in found.items():
        assert all(row.keys() <= schemas[stream]["properties"].keys() for row in mapped)


@pytest.mark.slow
def test_batch_files_are_not_announced_for_streams_that_a_map_drops(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    config = config_for(sandbox, stream_maps={"customers": None}, batch_config=batches(folder))
    output = run_tap(config, streams=["customers", "snippets"])
    assert {m["stream"] for m in output.messages if m["type"] == "BATCH"} == {"snippets"}
    assert not [path for path in folder.iterdir() if "customers" in path.name]


def test_a_batch_and_its_state_exclude_records_that_a_map_failed_on(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    maps = {"segments": {"name": "name if id != 3 else name.nonsense"}}
    config = config_for(sandbox, stream_maps=maps, batch_config=batches(tmp_path))
    output = run_tap(config, streams=["segments"], fails=True)
    assert "Incomplete: segments" in output.problem
    assert "BATCH" in output.types
    assert all("replication_key_value" not in s["bookmarks"]["segments"] for s in output.states)


def test_a_second_run_still_drops_unmapped_streams(sandbox: Sandbox) -> None:
    config = config_for(sandbox, stream_maps={"__else__": None, "snippets": {}})
    kept = copy.deepcopy(config)
    for _ in range(2):
        output = run_tap(config, streams=["snippets", "segments"])
        assert output.records.keys() == {"snippets"}
    assert config["stream_maps"] == kept["stream_maps"]


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("batch_size", 0, "batch_size 0 is less than 1"),  # it would lose all rows
        ("batch_size", -5, "batch_size -5 is less than 1"),
        ("storage", {"root": "mem://files"}, "root cannot be used: Protocol not known"),
    ],
)
def test_unusable_batches_are_an_error(
    sandbox: Sandbox, tmp_path: Path, part: str, value: Any, said: str
) -> None:
    config = config_for(sandbox, batch_config={**batches(tmp_path), part: value})
    with pytest.raises(ConfigValidationError) as caught:
        TapCustomerio(config=config)
    assert caught.value.errors[0].startswith(f"Setting batch_config is not usable: {said}")
