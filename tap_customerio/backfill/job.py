"""A backfill of one workspace: its streams, and its range or a shard of it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.sync.provenance import fingerprint
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import Window, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from tap_customerio.streams.base import CustomerioStream
    from tap_customerio.sync.progress import Progress
    from tap_customerio.sync.run import SyncRun

State = dict[str, Any]

STATE_KEY = "backfill"
"""The state's member with the identity of its backfill, beside `bookmarks`."""


@dataclass
class Job:
    """One backfill.

    Attributes:
        config: The tap's configuration; its own range is ignored.
        catalog: The streams, and the selection of their fields.
        range: The whole range, of which this is shard `shard` of `shards`.
        stream_names: The requested streams; empty for all selected ones with a time range.
    """

    config: Mapping[str, Any]
    catalog: Mapping[str, Any]
    range: Window
    stream_names: Sequence[str] = ()
    shard: int = 1
    shards: int = 1

    @cached_property
    def shard_range(self) -> Window:
        """The shard of the range that this job reads."""
        return self.range.shard(self.shard, self.shards)

    @cached_property
    def _all_streams(self) -> dict[str, CustomerioStream]:
        return TapCustomerio(config=dict(self.config), catalog=dict(self.catalog)).streams

    def done(self, state: State | None) -> list[str]:
        """The streams that a state has finished, with the present settings."""
        state = state or {}
        bookmarks = state.get("bookmarks") or {}
        outdated = {
            name
            for name, stream in self._all_streams.items()
            if stream.is_outdated(bookmarks.get(name, {}))
        }
        done = state.get(STATE_KEY, {}).get("done", ())
        return [name for name in done if name not in outdated]

    @cached_property
    def streams(self) -> list[str]:
        """The streams to read; streams without a time range only in the first shard.

        Raises:
            TapError: A named stream does not exist.
        """
        streams, named = self._all_streams, self.stream_names
        for name in named:
            if name not in streams:
                raise errors.names.unknown("stream", name, streams, "'tap-customerio fields'")
        return [
            name
            for name, stream in streams.items()
            if (name in named if named else stream.has_time_range and stream.selected)
            and (self.shard_range.width if stream.has_time_range else self.shard == 1)
        ]

    @cached_property
    def identity(self) -> dict[str, str]:
        """What identifies a state of this backfill; `workspace` is a fingerprint of the key."""
        return {
            "from": rfc3339(self.range.start),
            "to": rfc3339(self.range.end),
            "streams": ", ".join(sorted(set(self.stream_names))) or "all that have a range",
            "shard": f"{self.shard}/{self.shards}",
            "workspace": fingerprint(str(self.config["app_api_key"])),
        }

    @property
    def file_name(self) -> str:
        """A name for the state file, unique among the backfills of the workspace."""
        edges = [self.identity[edge].replace("T00:00:00Z", "") for edge in ("from", "to")]
        shard = [f"{self.shard}-of-{self.shards}"] if self.shards > 1 else []
        parts = ["backfill", *edges, *sorted(set(self.stream_names)), *shard]
        return f"{'_'.join(parts).replace(':', '')}.json"

    def tap(
        self,
        state: State | None = None,
        watching: Callable[[SyncRun], Progress] | None = None,
    ) -> TapCustomerio:
        """A tap that reads the rest of the range; its states identify the backfill."""
        state = state or {}
        done = self.done(state)
        tap = TapCustomerio(
            config={
                **self.config,
                "start_date": rfc3339(self.shard_range.start),
                "end_date": rfc3339(max(self.shard_range.end, self.shard_range.start + 1)),
            },
            catalog=with_selected(self.catalog, set(self.streams) - set(done)),
            state=state,
        )
        tap.sync_run.shard_edges = frozenset(self.shard_range) - frozenset(self.range)
        if watching is not None:
            tap.sync_run.progress = watching(tap.sync_run)
        tap.sync_run.progress.done = done
        tap.state.setdefault("bookmarks", {})
        ours: State = {STATE_KEY: {**self.identity, "done": done}}
        tap.state.update(ours)  # type: ignore[typeddict-item]
        return tap

    def check(self, state: State, path: str) -> None:
        """Check that a state belongs to this backfill.

        Raises:
            TapError: It does not.
        """
        check(state, self.identity, path)


def check(state: State, identity: Mapping[str, str], path: str) -> None:
    """Check that a state has this identity.

    Raises:
        TapError: It has another one.
    """
    found = state.get(STATE_KEY) or {}
    if any(found.get(name) != value for name, value in identity.items()):
        raise errors.backfill.other_backfill(path, _words(found), _words(identity))


def _words(identity: Mapping[str, Any]) -> str:
    names = ("from", "to", "streams", "shard", "workspace")
    said = [f"{name} {identity[name]}" for name in names if name in identity]
    return f"the backfill {', '.join(said)}" if said else "an ordinary sync"


def with_selected(catalog: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    """A copy of a catalog that selects only these streams."""
    result: dict[str, Any] = copy.deepcopy(dict(catalog))
    for stream in result["streams"]:
        for item in stream["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["selected"] = stream["tap_stream_id"] in wanted
    return result
