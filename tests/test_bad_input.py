"""Malformed files and variables: one clear sentence, an exit code, and no silent restart."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, config_for, run_tap, select
from terminal import typed

from tap_customerio.errors import TapError
from tap_customerio.settings_checks import validation_errors
from tap_customerio.streams import all_streams
from tap_customerio.sync import validation
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

KINDS = {stream_class.name: stream_class for stream_class in all_streams()}
SECRET = "canary-7f3a"


def messages(**bookmark: Any) -> dict[str, Any]:
    return {"bookmarks": {"messages": bookmark}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n", "The state is not a JSON object: the file is empty; leave out --state to start"),
        ('{"bookmarks": {},\n', "The state is not a JSON object: look at line 2, column 1"),
        ("[" * 100_000, "The state is not a JSON object: it nests"),
        ("[]", "The state is not a JSON object: it must begin"),
        ('{"bookmarks": {}, "n": NaN}', "The state is not a JSON object: NaN is not a number"),
        ("null", "The state is not a JSON object: it must begin"),
        ('{"bookmarks": []}', "no object 'bookmarks'"),
        ('{"messages": "2026-01-01"}', "no object 'bookmarks'"),
        ('{"type": "STATE", "value": {"bookmarks": {}}}', "no object 'bookmarks'"),
        ('{"singer_state": {"bookmarks": {}}}', "no object 'bookmarks'"),
        ('{"bookmarks": {"commits": {}, "issues": {}}}', r"does not have \(commits, issues\)"),
        (
            '{"bookmarks": {"messages": "2026-01-01"}}',
            "bookmark of stream 'messages' is not an RFC",
        ),
        (
            '{"bookmarks": {"messages": {"created": 1}}}',
            "bookmark of stream 'messages' is not an RFC",
        ),
        ('{"bookmarks": {"messages": {"partitions": []}}}', "'messages' is not an RFC 3339 time"),
        (
            json.dumps(messages(replication_key_value=1_767_225_600)),
            "'messages' is not an RFC 3339",
        ),
        (json.dumps(messages(replication_key_value="yesterday")), "'messages' is not an RFC 3339"),
        (json.dumps(messages(replication_key_value={"a": 1})), "'messages' is not an RFC 3339"),
        (
            json.dumps(messages(replication_key="updated", replication_key_value="2026-01-01")),
            "replication key 'updated' for stream 'messages', whose own is created",
        ),
    ],
)
def test_an_unusable_state_is_an_error(text: str, said: str) -> None:
    with pytest.raises(TapError, match=said):
        validation.checked_state(io.StringIO(text), KINDS)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"bookmarks": {}},
        {"bookmarks": {"messages": {}, "segment_usage": {}}},
        messages(replication_key="created", replication_key_value="2026-01-01T00:00:00Z"),
        {"bookmarks": {"metrics": {"replication_key_value": "2026-01-01", "timezone": "UTC"}}},
    ],
)
def test_a_valid_state_is_unchanged(state: dict[str, Any]) -> None:
    for mark in ("", "\ufeff"):
        file = validation.checked_state(io.StringIO(mark + json.dumps(state)), KINDS)
        assert file is not None
        assert json.load(file) == state


def test_bookmarks_of_unknown_streams_beside_known_ones_are_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    validation.checked_state(
        io.StringIO('{"bookmarks": {"messages": {}, "deliveries": {}}}'), KINDS
    )
    assert "bookmarks of unknown streams: ['deliveries']" in caplog.text


@pytest.mark.parametrize("stream", ["messages", "metrics", "snippets", "activities"])
def test_a_bookmark_in_the_future_stops_the_run_and_keeps_its_place(
    sandbox: Sandbox, stream: str
) -> None:
    key = KINDS[stream].replication_key
    mark = {"replication_key": key, "replication_key_value": rfc3339(NOW + 3600)}
    state = {"bookmarks": {stream: mark}}
    output = run_tap(config_for(sandbox), streams=[stream], state=state, fails=True)
    assert f"bookmark of stream '{stream}' is 2026-04-01T13:00:00Z, in the future" in output.problem
    assert output.bookmark(stream) == rfc3339(NOW + 3600)


@pytest.mark.parametrize("name", ["full_at", "changes_until"])
def test_a_customers_state_of_the_future_stops_the_run(sandbox: Sandbox, name: str) -> None:
    known = {"full_at": rfc3339(NOW), "changes_until": rfc3339(NOW), name: rfc3339(NOW + 3600)}
    state = {"bookmarks": {"customers": known}}
    output = run_tap(config_for(sandbox), streams=["customers"], state=state, fails=True)
    assert "bookmark of stream 'customers' is 2026-04-01T13:00:00Z, in the future" in output.problem


@pytest.mark.parametrize(
    ("catalog", "said"),
    [
        ([], "The catalog is not a JSON object: it must begin"),
        ({}, "malformed at its top, which must be an object with streams"),
        ({"streams": {}}, "malformed at streams, which must be array"),
        ({"streams": [{}]}, r"malformed at streams\.0, which must be an object with tap_stream_id"),
        (
            {"streams": [{"tap_stream_id": "messages", "metadata": {}}]},
            r"malformed at streams\.0\.metadata, which must be array",
        ),
        (
            {"streams": [{"tap_stream_id": "messages", "replication_method": "LOG_BASED"}]},
            r"replication_method, which must be FULL_TABLE or INCREMENTAL",
        ),
        (
            {
                "streams": [
                    {
                        "tap_stream_id": "deliveries",
                        "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}],
                    }
                ]
            },
            "selects 'deliveries', which is not a stream of this tap",
        ),
        (
            {"streams": [{"tap_stream_id": "messages", "replication_key": "sent"}]},
            "catalog has replication key 'sent' for stream 'messages', whose own is created",
        ),
    ],
)
def test_an_invalid_catalog_is_an_error(catalog: Any, said: str) -> None:
    with pytest.raises(TapError, match=said):
        validation.checked_catalog(io.StringIO(json.dumps(catalog)), KINDS)


def test_a_catalogue_that_selects_nothing_is_named(caplog: pytest.LogCaptureFixture) -> None:
    assert validation.checked_catalog(io.StringIO(json.dumps(select([]))), KINDS)
    assert "selects no stream" in caplog.text


def test_the_discovered_catalog_is_valid(caplog: pytest.LogCaptureFixture) -> None:
    assert validation.checked_catalog(io.StringIO(json.dumps(select())), KINDS)
    assert "selects" not in caplog.text


@pytest.mark.parametrize(
    ("key", "what"),
    [
        (f"{SECRET}\n", "a space or a line break"),
        (f" {SECRET}", "a space"),
        (f"“{SECRET}”", "curly"),
    ],
)
def test_a_key_with_invalid_characters_is_an_error_that_does_not_show_it(
    key: str, what: str
) -> None:
    [error] = validation_errors({"app_api_key": key})
    assert error.startswith("Setting app_api_key contains")
    assert what in error
    assert SECRET not in error


def test_a_user_agent_with_invalid_characters_is_an_error() -> None:
    [error] = validation_errors({"app_api_key": SECRET, "user_agent": "me\r\nX-More: 1"})
    assert "Setting user_agent is" in error


def test_settings_come_from_the_environment_in_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    error = {
        "APP_API_KEY": "12345",
        "CONCURRENCY": "3",
        "REQUESTS_PER_SECOND": "2.5",
        "INCLUDE_DRAFTS": "true",
        "RESCAN_AGES": "[1, 7]",
        "ESP_SUPPRESSION_DOMAINS": "a.example.org,b.example.org",
        "CUSTOMERS_FILTER": '{"and": []}',
    }
    for name, text in error.items():
        monkeypatch.setenv(f"TAP_CUSTOMERIO_{name}", text)
    settings = TapCustomerio(parse_env_config=True).settings
    assert settings.app_api_key == "12345"
    assert (settings.concurrency, settings.requests_per_second) == (3, 2.5)
    assert settings.include_drafts is True
    assert [*settings.rescan_ages] == [1, 7]
    assert [*settings.esp_suppression_domains] == ["a.example.org", "b.example.org"]
    assert settings.customers_filter == {"and": []}


def test_the_command_reports_each_error_in_one_sentence(sandbox: Sandbox, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps({**config_for(sandbox), "app_api_key": SECRET}))
    bad.write_text(f'["{SECRET}"')
    wide = tmp_path / "wide.json"  # as PowerShell writes it
    wide.write_text(SECRET, encoding="utf-16")
    config = ("--config", str(good))
    variables = {"TAP_CUSTOMERIO_CONCURRENCY": "x"}
    screens = {
        "is not valid JSON (line 1": typed("--config", str(bad)),
        "The state is not a JSON": typed(*config, "--state", str(bad)),
        "The catalog is not a JSON": typed(*config, "--catalog", str(bad)),
        "The state is not a JSON object: save the file as": typed(*config, "--state", str(wide)),
        "Setting concurrency is 'x'": typed(*config, "--config=ENV", environment=variables),
        "app_api_key was refused": typed(*config, "--test"),
    }
    for said, screen in screens.items():
        assert screen.code == 1, screen.err
        assert said in screen.err
        assert "Traceback" not in screen.err
        assert SECRET not in screen.err
        assert '"RECORD"' not in screen.out
    assert {call.status for call in sandbox.calls} <= {401}
