"""The private members of the SDK that the tap uses: a complete list, and a test of each.

A release that renames one, or no longer calls it, would silently move bookmarks or lose a
selection. So tests show that each exists, and works or is called as the tap needs it.
"""

from __future__ import annotations

import ast
import inspect
import json
import signal
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, Output, config_for, restored_signals, run_tap, select
from singer_sdk import Stream, Tap
from singer_sdk.mapper import CustomStreamMap, PluginMapper
from singer_sdk.plugin_base import SingerCommand
from terminal import config_file, typed

import tap_customerio
from tap_customerio.commands.command_tap import CommandTap
from tap_customerio.streams.sdk import SdkStream
from tap_customerio.sync.writer import BufferedWriter
from tap_customerio.tap import TapCustomerio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.sandbox import Sandbox

OVERRIDDEN: dict[str, tuple[type, str]] = {
    "_generate_record_messages": (SdkStream, "A record that a map cannot take is counted."),
    "_increment_stream_state": (SdkStream, "Bookmarks move per slice, not per record."),
    "_sync_records": (SdkStream, "Records that no map changes are written without the SDK's work."),
    "_sync_batches": (SdkStream, "Batch files hold what is selected and mapped."),
    "_write_starting_replication_value": (SdkStream, "The state holds bookmarks only."),
    "_env_var_config": (TapCustomerio, "Variables are read as their settings' types say."),
    "_get_about_info": (TapCustomerio, "--about lists the streams."),
    "_handle_termination": (TapCustomerio, "A signal only sets a flag."),
    "_validate_config": (TapCustomerio, "What is wrong is said in our sentences."),
    "_setup_signal_handlers": (CommandTap, "Ctrl+C ends a command."),
}
"""SDK members that the tap overrides, with reasons."""

USED = {
    "_config": "Maps are copied, since the SDK takes `__else__` out of them.",
    "_eval": "An expression that fails is explained.",
    "_stream_version": "Records of mirrors carry the API's present.",
    "_streams": "Streams are put into another order.",
    "_write_schema_message": "A backfill in several pipes makes each table once.",
    "_write_activate_version_message": "Sent once all records have come.",
}
"""SDK members that the tap reads, sets or calls, with reasons."""

IMPORTED = {
    "singer_sdk.configuration._dict_config.parse_environment_config",
    "singer_sdk.helpers._batch.BatchConfig",
    "singer_sdk.helpers._batch.SDKBatchMessage",
    "singer_sdk.helpers._catalog.get_selected_schema",
    "singer_sdk.plugin_base._ConfigInput",
}
"""Modules in which a release without them fails at once."""

ALIKE = {
    "_replication_key": "A function of inputs.py.",
    "_schema": "A function of warehouse.py.",
    "_state": "A function of rescans.py.",
    "_tap": "Members of classes that are not the SDK's.",
}
"""Names in the tap that only resemble the SDK's."""

ROOT = Path(tap_customerio.__file__).parent
APART = {"sandbox", "duckdb_target"}
"""Packages that do not use the SDK's tap."""


def known_to_the_sdk() -> set[str]:
    """Private members of the SDK classes that the tap extends or wraps."""
    names = set()
    for whole in (Tap, Stream, SingerCommand, PluginMapper, CustomStreamMap, BufferedWriter):
        for kind in whole.__mro__:
            if kind.__module__.startswith("singer_sdk"):
                tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
                names |= {*vars(kind)} | {
                    node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
                }
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def names_in_the_tap() -> tuple[set[str], set[str]]:
    """Private names that the tap uses or defines, and its imports from the SDK."""
    names, imported = set(), set()
    for path in ROOT.rglob("*.py"):
        if APART & {*path.relative_to(ROOT).parts}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("singer_sdk"):
                imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names, {name for name in imported if "._" in name}


@pytest.mark.slow
def test_the_list_is_complete() -> None:
    names, imported = names_in_the_tap()
    assert names & known_to_the_sdk() == OVERRIDDEN.keys() | USED.keys() | ALIKE.keys()
    assert imported == IMPORTED


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list[str]]]:
    """Records which module calls an overridden member."""
    called: list[str] = []

    def watch(name: str) -> list[str]:
        kind = OVERRIDDEN[name][0]
        found = inspect.getattr_static(kind, name)

        def note(*arguments: Any, **options: Any) -> Any:
            called.append(sys._getframe(1).f_globals["__name__"])  # noqa: SLF001
            inner = getattr(found, "__func__", None) or getattr(found, "fget", None) or found
            return inner(*arguments, **options)

        wrapped: Any = note
        if isinstance(found, classmethod | property):
            wrapped = type(found)(note)
        monkeypatch.setattr(kind, name, wrapped)
        return called

    yield watch
    assert any(module.startswith("singer_sdk") for module in called), "the SDK no longer calls it"


MAPPED = {"stream_maps": {"segments": {"name": "name"}}}
"""With a map, the SDK writes the records."""


@pytest.mark.parametrize("name", ["_generate_record_messages", "_increment_stream_state"])
def test_the_sdk_calls_it_for_each_record(
    sandbox: Sandbox, calls: Callable[[str], list[str]], name: str
) -> None:
    called = calls(name)
    output = run_tap(config_for(sandbox, **MAPPED), streams=["segments"])
    assert len(called) == len(output.records["segments"])


def test_the_sdk_writes_its_starting_value_through_the_tap(
    sandbox: Sandbox, calls: Callable[[str], list[str]]
) -> None:
    calls("_write_starting_replication_value")
    output = run_tap(config_for(sandbox, **MAPPED), streams=["segments"])
    assert all("starting_replication_value" not in str(state) for state in output.states)


def test_the_sdk_writes_records_through_the_tap(
    sandbox: Sandbox, calls: Callable[[str], list[str]]
) -> None:
    called = calls("_sync_records")
    assert run_tap(config_for(sandbox), streams=["segments"]).records["segments"]
    assert len(called) == 1


def test_the_sdk_writes_batches_through_the_tap(
    sandbox: Sandbox, calls: Callable[[str], list[str]], tmp_path: Path
) -> None:
    calls("_sync_batches")
    encoding = {"format": "jsonl", "compression": "gzip"}
    batches = {"encoding": encoding, "storage": {"root": tmp_path.as_uri()}}
    output = run_tap(config_for(sandbox, batch_config=batches), streams=["segments"])
    assert "BATCH" in output.types


def test_the_sdk_reads_the_environment_through_the_tap(
    calls: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls("_env_var_config")
    monkeypatch.setenv("TAP_CUSTOMERIO_APP_API_KEY", "none")
    monkeypatch.setenv("TAP_CUSTOMERIO_REQUESTS_PER_SECOND", "2.5")
    with restored_signals():
        assert TapCustomerio(parse_env_config=True).settings.requests_per_second == 2.5


def test_the_sdk_reads_the_description_through_the_tap(calls: Callable[[str], list[str]]) -> None:
    calls("_get_about_info")
    assert "segment_memberships" in typed("--about").out


def test_the_sdk_validates_settings_through_the_tap(
    sandbox: Sandbox, calls: Callable[[str], list[str]], tmp_path: Path
) -> None:
    calls("_validate_config")
    screen = typed("--config", config_file(sandbox, tmp_path, region="mars"))
    assert "Setting region is 'mars', which is not one of" in screen.err


def test_signals_reach_the_tap(calls: Callable[[str], list[str]]) -> None:
    called = calls("_handle_termination")
    with restored_signals():
        TapCustomerio(config={"app_api_key": "none"})
        handler: Any = signal.getsignal(signal.SIGTERM)
    handler(signal.SIGTERM, None)
    called.append("singer_sdk")  # which has passed it to the system


def test_commands_handle_no_signals(calls: Callable[[str], list[str]]) -> None:
    calls("_setup_signal_handlers")
    before = signal.getsignal(signal.SIGINT)
    CommandTap({"app_api_key": "none"})
    assert signal.getsignal(signal.SIGINT) is before


def test_an_override_overrides_something() -> None:
    for name, (kind, why) in OVERRIDDEN.items():
        assert any(name in vars(base) for base in (*Tap.__mro__, *Stream.__mro__)), name
        assert why
        assert name in vars(kind)


def test_settings_are_those_that_the_sdk_shows() -> None:
    with restored_signals():
        tap = TapCustomerio(config={"app_api_key": "none", "stream_maps": {"__else__": None}})
    tap._config = {**tap._config, "region": "eu"}  # noqa: SLF001
    assert tap.config["region"] == "eu"
    assert tap.config["stream_maps"] == {"__else__": None}


def test_sorted_streams_are_those_that_the_sdk_runs(sandbox: Sandbox) -> None:
    with restored_signals():
        tap = TapCustomerio(config=config_for(sandbox), catalog=select(["segments"]))
    assert tap._streams is tap.streams  # noqa: SLF001
    assert [stream.sequential for stream in tap.streams.values()][-1]
    assert tap.streams["segments"].selected


def test_versions_are_in_records_and_aliases_in_their_activation(sandbox: Sandbox) -> None:
    maps = {"opt_outs": {"__alias__": "gone"}}
    output = run_tap(config_for(sandbox, stream_maps=maps), streams=["opt_outs"])
    found = {
        (message["type"], message["stream"], message["version"])
        for message in output.messages
        if message["type"] in {"RECORD", "ACTIVATE_VERSION"}
    }
    assert found == {("RECORD", "gone", int(NOW)), ("ACTIVATE_VERSION", "gone", int(NOW))}


def test_expressions_are_evaluated_through_the_tap(sandbox: Sandbox, tmp_path: Path) -> None:
    path = config_file(sandbox, tmp_path, stream_maps={"segments": {"name": "name.nonsense"}})
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(select(["segments"])))
    screen = typed("--config", path, "--catalog", str(catalog))
    assert "stream 'segments', field 'name': a value has no 'nonsense'" in screen.err
    assert Output.of(line.encode() for line in screen.lines).records == {}
