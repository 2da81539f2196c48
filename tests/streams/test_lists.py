"""Lists that are read whole: full mirrors by default, or only changed rows."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from harness import Output, config_for, discovered, new_sandbox, restored_signals, run_tap, select
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_customerio.streams import all_streams
from tap_customerio.streams.lists import ChildStream
from tap_customerio.streams.schema import json_type
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import DAY, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.types import Receive, Scope, Send

    from tap_customerio.sandbox import Sandbox

STAMPED: dict[str, Any] = {
    stream_class.name: stream_class
    for stream_class in all_streams()
    if stream_class.is_mirror and isinstance(stream_class.replication_key, str)
}
CHILDREN = {name for name, stream_class in STAMPED.items() if issubclass(stream_class, ChildStream)}
LISTS = sorted(STAMPED.keys() - CHILDREN)
SOME = {"asset_folders", "campaign_actions", "campaigns", "design_studio_emails", "snippets"}
"""One of each kind: folders of both APIs, a list and its children, and a list with text keys."""

TEXTS = {
    name: next(
        column
        for column, schema in stream_class.schema["properties"].items()
        if json_type(schema) == "string"
        and "format" not in schema
        and column not in stream_class.primary_keys
    )
    for name, stream_class in STAMPED.items()
}
"""A text column of each list, which tests change."""
OPERATIONS = ("edit", "edit quietly", "delete", "restore", "sync")

Key = tuple[str, ...]
Table = dict[Key, str]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with new_sandbox() as found:
        yield found


class Lists:
    """An API with lists only, which tests change; each sender has one action."""

    def __init__(self, box: Sandbox, ids: Iterable[int] = range(1, 7)) -> None:
        """All lists have the same ids; the first one has the last change."""
        self.box = box
        self.now = int(box.clock.now())
        self.texts = {name: dict.fromkeys(ids, "first") for name in STAMPED}
        old = {number: self.now - (90 + number) * DAY for number in ids}
        self.stamps = {name: dict(old) for name in STAMPED}
        self.gone: set[int] = set()
        box.middleware.app = self

    def edit(self, number: int, *, quietly: bool = False) -> None:
        """Change a row in all lists; `quietly` keeps its stamp."""
        self.now += 1
        for name in STAMPED:
            self.texts[name][number] = f"edit at {self.now}"
            if not quietly:
                self.stamps[name][number] = self.now - 30

    def truth(self, stream: str) -> Table:
        """The expected table."""
        there = {n: text for n, text in self.texts[stream].items() if n not in self.gone}
        if stream in CHILDREN:
            return {(str(n), str(n)): text for n, text in there.items()}
        return {(str(n),): text for n, text in there.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Respond with a list."""
        query = dict(parse_qsl(scope["query_string"].decode()))
        body = self._answer(scope["path"], query)
        headers = [(b"content-type", b"application/json")]
        status = 200 if body is not None else 404
        await send({"type": "http.response.start", "status": status, "headers": headers})
        content = json.dumps(body or {"errors": []}).encode()
        await send({"type": "http.response.body", "body": content})

    def _answer(self, path: str, query: dict[str, str]) -> dict[str, Any] | None:
        if path == "/v1/workspaces":
            return {"workspaces": []}
        for stream, stream_class in STAMPED.items():
            if stream in CHILDREN:
                parent, _, rest = path.removeprefix(f"{stream_class.parent.path}/").partition("/")
                if rest == stream_class.path and parent.isdecimal():
                    number = int(parent)
                    rows = None if number in self.gone else [self._row(stream, number)]
                    return None if rows is None else {stream_class.shape.key: rows}
            elif path == stream_class.path:
                is_whole = "parent_folder_id" not in query and query.get("page", "1") == "1"
                there = sorted(self.texts[stream]) if is_whole else []
                rows = [self._row(stream, number) for number in there if number not in self.gone]
                return {stream_class.records_key: rows}
        return None

    def _row(self, stream: str, number: int) -> dict[str, Any]:
        stream_class = STAMPED[stream]
        text, stamp = self.texts[stream][number], self.stamps[stream][number]
        key = stream_class.primary_keys[-1]
        row = {key: self._name(stream, number), str(stream_class.replication_key): stamp}
        return row | {TEXTS[stream]: text}

    def _name(self, stream: str, number: int) -> Any:
        is_text = STAMPED[stream].schema["properties"][STAMPED[stream].primary_keys[-1]]["type"]
        return str(number) if "string" in is_text else number


class Target:
    """The tables of a target that handles ACTIVATE_VERSION."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[Key, tuple[str, int | None]]] = defaultdict(dict)
        self.state: dict[str, Any] | None = None

    def load(self, output: Output) -> None:
        """Upsert, and delete rows that an activated version lacks."""
        for message in output.messages:
            stream = message.get("stream", "")
            if message["type"] == "RECORD":
                row = message["record"]
                key = tuple(row[name] for name in output.keys[stream])
                value = row[TEXTS[stream]]
                self.rows[stream][key] = value, message.get("version")
            elif message["type"] == "ACTIVATE_VERSION":
                kept = self.rows[stream].items()
                self.rows[stream] = {k: v for k, v in kept if v[1] == message["version"]}
        self.state = output.states[-1]

    def table(self, stream: str) -> Table:
        """The text of each row."""
        return {tuple(map(str, key)): text for key, (text, _) in self.rows[stream].items()}


def sync(lists: Lists, target: Target, *, hours: int = 0, **options: Any) -> Output:
    lists.box.clock.advance(lists.now + 60 - lists.box.clock.now())
    lists.now = int(lists.box.clock.now())
    options = {"streams": STAMPED, "state": target.state, **options}
    output = run_tap(config_for(lists.box, refresh_hours=hours), **options)
    target.load(output)
    return output


@pytest.mark.slow
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(1, 4)), max_size=10))
def test_tables_match_after_any_changes_of_the_lists(
    box: Sandbox, changes: list[tuple[str, int]]
) -> None:
    lists, target = Lists(box, range(1, 5)), Target()
    sync(lists, target, streams=SOME)
    for what, number in changes:
        if what == "sync":
            sync(lists, target, streams=SOME)
        elif what == "delete":
            lists.gone.add(number)
        elif what == "restore":
            lists.gone.discard(number)
        else:
            lists.edit(number, quietly=what == "edit quietly")
    for _ in range(3):  # the next sync confirms a table that suddenly halves
        sync(lists, target, streams=SOME)
    for stream in SOME:
        assert target.table(stream) == lists.truth(stream), stream


def incremental(streams: Iterable[str]) -> dict[str, Any]:
    """A catalog that selects these streams with incremental metadata."""
    catalog = select(streams)
    for entry in catalog["streams"]:
        [root] = [item["metadata"] for item in entry["metadata"] if not item["breadcrumb"]]
        root["replication-method"] = "INCREMENTAL"
    return catalog


def sent(output: Output) -> dict[str, list[Any]]:
    return {name: sorted(map(int, map(str, output.ids(name)))) for name in STAMPED}


@pytest.mark.slow
def test_a_full_sync_sends_every_row_and_then_activates(box: Sandbox) -> None:
    lists, target = Lists(box), Target()
    sync(lists, target)
    again = sync(lists, target)
    assert sent(again) == {name: [1, 2, 3, 4, 5, 6] for name in STAMPED}
    assert again.activated == STAMPED.keys()


@pytest.mark.slow
def test_an_incremental_sync_sends_changed_rows_and_deletes_nothing(box: Sandbox) -> None:
    lists, target = Lists(box), Target()
    sync(lists, target, catalog=incremental(STAMPED))
    lists.edit(2)
    lists.edit(3, quietly=True)
    lists.gone.add(4)
    second = sync(lists, target, catalog=incremental(STAMPED))
    assert sent(second) == {name: [1, 2] for name in STAMPED}, "the newest row is sent again"
    assert not second.activated
    for stream in STAMPED:
        stale = {key: text for key, text in target.table(stream).items() if text == "first"}
        assert {key[0] for key in stale} == {"1", "3", "4", "5", "6"}


@pytest.mark.slow
def test_a_change_of_method_continues_from_the_common_bookmark(box: Sandbox) -> None:
    lists, target = Lists(box), Target()
    sync(lists, target)
    lists.edit(2)
    full = sync(lists, target)
    bookmarks = [full.bookmark(name) for name in STAMPED]
    lists.now += DAY
    lists.edit(5)
    changed = sync(lists, target, catalog=incremental(STAMPED))
    assert sent(changed) == {name: [2, 5] for name in STAMPED}
    lists.gone |= {5}
    whole = sync(lists, target, hours=24)
    assert sent(whole) == {name: [1, 2, 3, 4, 6] for name in STAMPED}
    for stream, before in zip(STAMPED, bookmarks, strict=True):
        assert parse(whole.bookmark(stream)) >= parse(before) + DAY, "the bookmark moved back"
        assert whole.bookmark(stream) == changed.bookmark(stream)
        assert target.table(stream) == lists.truth(stream)


@pytest.mark.slow
def test_children_are_filtered_by_their_own_stamps(box: Sandbox) -> None:
    lists, target = Lists(box), Target()
    sync(lists, target)
    lists.stamps["campaign_actions"][2] = lists.stamps["campaigns"][3] = lists.now
    output = sync(lists, target, catalog=incremental(STAMPED))
    assert sent(output)["campaigns"] == [1, 3]
    assert sent(output)["campaign_actions"] == [1, 2]


def test_a_table_without_a_stamp_is_always_a_mirror(sandbox: Sandbox) -> None:
    catalog = incremental(["opt_outs"])
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            item["metadata"]["replication-key"] = "cio_id"
    output = run_tap(config_for(sandbox), catalog=catalog)
    assert output.records["opt_outs"]
    assert output.activated == {"opt_outs"}


@pytest.mark.parametrize("stream", STAMPED)
def test_the_catalog_declares_full_table_and_the_possible_stamp(stream: str) -> None:
    [entry] = [e for e in json.loads(discovered())["streams"] if e["tap_stream_id"] == stream]
    [root] = [item["metadata"] for item in entry["metadata"] if not item["breadcrumb"]]
    key = STAMPED[stream].replication_key
    assert entry["replication_method"] == "FULL_TABLE"
    assert entry["replication_key"] == key
    assert root["valid-replication-keys"] == [key]
    assert "forced-replication-method" not in root


def test_meltanos_catalog_selects_the_method_too(box: Sandbox) -> None:
    """Meltano sets the entry's own member as well as its metadata."""
    catalog = json.loads(discovered())
    for entry in catalog["streams"]:
        entry["replication_method"] = "INCREMENTAL"
    with restored_signals():
        tap = TapCustomerio(config=config_for(box), catalog=catalog)
    methods = {name: stream.replication_method for name, stream in tap.streams.items()}
    assert {methods[name] for name in STAMPED} == {"INCREMENTAL"}


def test_metadata_alone_selects_a_method(box: Sandbox) -> None:
    catalog = json.loads(discovered())
    for entry in catalog["streams"]:
        [whole] = [each["metadata"] for each in entry["metadata"] if not each["breadcrumb"]]
        whole["replication-method"] = "INCREMENTAL"
    with restored_signals():
        tap = TapCustomerio(config=config_for(box), catalog=catalog)
    methods = {name: stream.replication_method for name, stream in tap.streams.items()}
    assert {methods[name] for name in STAMPED} == {"INCREMENTAL"}
