"""Decides whether a sync reads a whole stream, or only what may have changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from tap_customerio import errors
from tap_customerio.streams.proof import ProvableStream
from tap_customerio.sync.catalog import emitted_schema
from tap_customerio.sync.provenance import fingerprint
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.singerlib import MetadataMapping

    from tap_customerio.api.client import Client
    from tap_customerio.settings import Settings

_FULL_AT, _CHANGES_UNTIL, _READ_WITH, _UNPROVEN = (
    *("full_at", "changes_until", "read_with"),
    "unproven",
)
_SHAPING = (
    *("stream_maps", "stream_map_config", "faker_config", "flattening_enabled"),
    *("flattening_max_depth", "flattening_separator", "flattening_max_key_length"),
)
"""SDK settings that shape records; rows that are not read again keep their former shape."""

_EARLY = 48
"""A full read may start early by 1/48 of its interval, because schedules are not exact."""


class RefreshedStream(ProvableStream, Protocol):
    """The part of a stream that `Refresh` uses."""

    @property
    def client(self) -> Client:
        """The App API."""

    @property
    def settings(self) -> Settings:
        """The validated settings."""

    @property
    def full_every(self) -> float:
        """Seconds between full reads; 0 if every sync is a full read."""

    @property
    def is_alone(self) -> bool:
        """Whether the stream is read without the others."""

    @property
    def replication_method(self) -> str:
        """The catalog's choice."""

    @property
    def effective_schema(self) -> dict[str, Any]:
        """The schema with the catalog's selection applied."""

    @property
    def metadata(self) -> MetadataMapping:
        """The catalog's selection."""

    def slices(self) -> Iterable[Any]:
        """All slices."""

    def changed(self, since: int) -> Iterable[Any] | None:
        """The slices that may have changed since a time; None if that is unknown."""


class Refresh:
    """Decides whether a sync reads a whole stream or only what may have changed.

    The state keeps `full_at`, when the last full read began; `changes_until`, when the last read
    of any kind began; and `read_with`, a fingerprint of what shapes the records. `unproven` marks
    a full read that may have missed rows: the next sync repeats it, once.
    """

    def __init__(self, stream: RefreshedStream) -> None:
        self._stream = stream
        self._full_at = 0
        self.is_partial = False

    @property
    def version(self) -> int:
        """The version of the rows: a partial read adds to the rows of the last full read."""
        return self._full_at if self.is_partial else self._stream.client.present

    def slices(self) -> Iterable[Any]:
        """All slices or, between two full reads, those that may have changed."""
        since = self.begin()
        changed = None if since is None else self._stream.changed(since)
        self.is_partial = changed is not None
        return self._stream.slices() if changed is None else changed

    def begin(self) -> int | None:
        """The time from which to read changes; None for a full read.

        Raises:
            TapError: The state holds something other than times.
        """
        stream, last = self._stream, self._stream.last
        every = stream.full_every
        if not every or stream.settings.end is not None or stream.is_alone:
            return None
        times = self._times()
        if times is None or last.get(_UNPROVEN) or last.get(_READ_WITH) != self._read_with():
            return None
        full_at, until = times
        if stream.client.present - full_at >= every - every / _EARLY:
            return None
        self._full_at = full_at
        return until

    def settle(self) -> None:
        """Store what this sync has read, if it was complete."""
        stream, state = self._stream, self._stream.stream_state
        if not stream.outcome.is_complete or stream.settings.end is not None or stream.is_alone:
            return
        present = rfc3339(stream.client.present)
        state[_CHANGES_UNTIL] = present
        if self.is_partial:
            return
        if stream.outcome.doubts and not stream.last.get(_UNPROVEN):
            state[_UNPROVEN] = True
            return
        state.pop(_UNPROVEN, None)
        state |= {_FULL_AT: present, _READ_WITH: self._read_with()}

    def _times(self) -> tuple[int, int] | None:
        stream = self._stream
        try:
            full_at, until = (parse(stream.last[name]) for name in (_FULL_AT, _CHANGES_UNTIL))
        except KeyError:
            return None
        except (AttributeError, TypeError, ValueError):
            raise errors.inputs.bad_bookmark(stream.name) from None
        for moment in (full_at, until):
            if stream.client.is_future(moment):
                raise errors.inputs.future_bookmark(stream.name, rfc3339(moment))
        return full_at, until

    def _read_with(self) -> str:
        stream = self._stream
        names = (*stream.restricted_by, *_SHAPING)
        settings: dict[str, Any] = {name: stream.config.get(name) for name in names}
        schema = _undescribed(emitted_schema(stream.name, stream.effective_schema, stream.metadata))
        facts = [settings, schema, stream.replication_method]
        return fingerprint(json.dumps(facts, sort_keys=True, default=str))


def _undescribed(kind: dict[str, Any]) -> dict[str, Any]:
    """A schema without descriptions, which may be reworded without reading everything again."""
    plain = {name: value for name, value in kind.items() if name != "description"}
    if "properties" in plain:
        members = plain["properties"].items()
        plain["properties"] = {name: _undescribed(member) for name, member in members}
    return plain
