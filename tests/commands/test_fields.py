"""fields: finds fields by everyday words, ready to be selected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml
from terminal import config_file, typed

from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


def found(*words: str) -> set[str]:
    """Fields by full name."""
    output = json.loads(typed("fields", *words, "--json").out)
    return {f"{field['stream']}.{field['field']}" for field in output["fields"]}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["open"], {"messages.metrics.opened", "metrics.opened"}),
        (["OPEN"], {"messages.metrics.opened", "metrics.opened"}),
        (["unsub"], {"customers.unsubscribed", "opt_outs.optouts", "metrics.unsubscribed"}),
        (["email"], {"customers.email", "messages.recipient", "esp_suppressions.email"}),
        (["phone"], {"sender_identities.phone"}),
        (["workflow"], {"messages.campaign_id", "journey_metrics.campaign_id"}),
        (["audience"], {"segment_memberships.segment_id", "newsletters.recipient_segment_ids"}),
        (["push", "token"], {"customers.devices[].id"}),
        (["messages", "click"], {"messages.metrics.clicked"}),
        (["bounce"], {"metrics.bounced", "messages.metrics.bounced"}),
        (["open", "rate"], {"metrics.opened", "messages.metrics.opened"}),
        (["bounce rate"], {"metrics.bounced", "messages.metrics.bounced"}),
        (["opens", "clicks"], {"metrics.opened", "metrics.clicked"}),
        (["unsubscribe"], {"customers.unsubscribed", "metrics.unsubscribed"}),
        (["revenue"], {"metrics.converted", "messages.metrics.converted"}),
        (["conversion", "rate"], {"metrics.converted"}),
        (["subscriber"], {"customers.unsubscribed"}),
        (["winner"], {"newsletter_test_groups.winner"}),
    ],
)
def test_newcomers_words_find_fields(words: list[str], expected: set[str]) -> None:
    assert expected <= found(*words)


@pytest.mark.parametrize(
    ("words", "stream"),
    [
        ("campaign performance", "metrics"),
        ("subscriber growth", "segment_counts"),
        ("newsletter statistics", "metrics"),
    ],
)
def test_questions_find_the_right_stream(words: str, stream: str) -> None:
    output = json.loads(typed("fields", *words.split(), "--json").out)
    assert stream in {*output["streams"], *(field["stream"] for field in output["fields"])}


def test_a_similar_word_does_not_match() -> None:
    assert not any(name.startswith("broadcasts.") for name in found("subscriber"))


def test_lines_for_fields_do_not_select_whole_streams() -> None:
    words = typed("fields", "journey", "performance").words()
    assert (
        "select only these fields (for a catalog: --select catalog; for a whole stream: " in words
    )
    assert "for a whole stream" not in typed("fields", "preheader").words()


def test_without_words_json_lists_the_streams() -> None:
    output = json.loads(typed("fields", "--json").out)
    assert output["streams"] == sorted(stream_class.name for stream_class in all_streams())


def test_every_word_must_match_and_a_stream_name_restricts() -> None:
    assert found("messages", "opened") == {
        f"messages.metrics.{name}" for name in ("opened", "human_opened", "prefetch_opened")
    }
    fields = found("snippets")
    assert fields == {"snippets.name", "snippets.value", "snippets.updated_at"}


def test_without_words_every_stream_is_listed() -> None:
    screen = typed("fields")
    for stream_class in all_streams():
        assert stream_class.name in screen.out
    assert "(off by default)" in screen.words()


@pytest.mark.parametrize("columns", [60, 200])
def test_a_field_is_shown_with_type_meaning_and_marks(columns: int) -> None:
    screen = typed("fields", "messages", "recipient", columns=columns)
    assert max(map(len, screen.lines)) <= columns
    assert "recipient string Address, phone number, device token … Personal data." in screen.words()
    assert "campaign_actions (off by default)" in typed("fields", "preheader").out
    assert "Personal data." in typed("fields", "segment_memberships", "email").out


def test_no_match_is_an_error_with_a_suggestion() -> None:
    screen = typed("fields", "xyzzy")
    assert screen.code == 1
    assert "Nothing matches 'xyzzy'" in screen.err


def test_the_lines_for_meltano_are_yaml_without_duplicates() -> None:
    lines = yaml.safe_load(typed("fields", "messages", "opened", "--select", "meltano").out)
    assert lines == {"select": ["messages.metrics", "messages.metrics.*"]}
    lines = yaml.safe_load(typed("fields", "request_method", "--select", "meltano").out)
    assert lines == {
        "select": ["broadcast_actions.request_method", "campaign_actions.request_method"]
    }
    assert "- messages.metrics" in typed("fields", "messages", "opened").out


def test_the_catalog_selects_exactly_these_fields_and_the_keys(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "catalog.json"
    path.write_text(typed("fields", "campaigns", "tags", "--select", "catalog").out)
    screen = typed("--config", config_file(sandbox, tmp_path), "--catalog", str(path))
    assert screen.code == 0
    messages = [json.loads(line) for line in screen.lines]
    rows = [message for message in messages if message["type"] == "RECORD"]
    assert {message["stream"] for message in rows} == {"campaigns"}
    assert all(set(row["record"]) == {"id", "tags", "updated"} for row in rows)
    assert set(sandbox.requests_by_path()) <= {"/v1/campaigns", "/v1/workspaces"}
