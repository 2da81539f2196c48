"""Repeated syncs of a workspace over time, into the tables of an upserting target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Output, config_for, run_tap

from tap_customerio.sandbox import Behaviours, Clock, Sandbox, Workspace
from tap_customerio.windows import DAY, HOUR, parse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Self

SINCE = parse("2026-01-01")


class Tables:
    """The tables of a target that upserts by key and handles ACTIVATE_VERSION."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
        self._keys: dict[str, list[str]] = {}
        self._versions: dict[str, dict[tuple[Any, ...], int]] = {}

    def load(self, messages: Iterable[dict[str, Any]]) -> None:
        """Load the tap's messages."""
        for message in messages:
            if message["type"] == "SCHEMA":
                self._keys[message["stream"]] = message["key_properties"]
                self.rows.setdefault(message["stream"], {})
                self._versions.setdefault(message["stream"], {})
            elif message["type"] == "RECORD":
                self._upsert(message)
            elif message["type"] == "ACTIVATE_VERSION":
                self._drop_older(message["stream"], message["version"])

    def _upsert(self, message: dict[str, Any]) -> None:
        stream, record = message["stream"], message["record"]
        key = tuple(record[name] for name in self._keys[stream])
        self.rows[stream][key] = record
        self._versions[stream][key] = message.get("version", 0)

    def _drop_older(self, stream: str, version: int) -> None:
        versions = self._versions[stream]
        for key in [key for key, held in versions.items() if held < version]:
            del self.rows[stream][key], versions[key]


class SyncScenario:
    """Syncs of one sandbox into the same tables, each from the previous state."""

    def __init__(
        self,
        *,
        start: int = SINCE + 30 * DAY,
        behaviours: Behaviours | None = None,
        streams: Iterable[str] | None = None,
        settings: dict[str, Any] | None = None,
        **workspace: Any,
    ) -> None:
        """Prepare a small workspace without syncs."""
        workspace = {"since": SINCE, "per_day": 20, "people": 150, **workspace}
        self.workspace = Workspace(**workspace)
        self.sandbox = Sandbox(
            self.workspace, clock=Clock(start), requests_per_second=None, behaviours=behaviours
        )
        self.streams = None if streams is None else list(streams)
        self.settings = settings or {}
        self.tables = Tables()
        self.output = Output()
        self.state: dict[str, Any] | None = None
        self.times: list[int] = []

    def __enter__(self) -> Self:
        """Start the sandbox."""
        self.sandbox.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the sandbox."""
        self.sandbox.__exit__(kind, error, trace)

    @property
    def now(self) -> int:
        """The sandbox's clock."""
        return int(self.sandbox.clock.now())

    def sync(self, after: float = 0, **settings: Any) -> int:
        """Advance the clock, and sync; returns the number of requests."""
        self.sandbox.clock.advance(after)
        self.sandbox.forget()
        config = config_for(self.sandbox, requests_per_second=100_000)
        config |= self.settings | settings
        self.output = run_tap(config, streams=self.streams, state=self.state)
        self.state = self.output.states[-1]
        self.tables.load(self.output.messages)
        self.times.append(self.now)
        return len(self.sandbox.calls)

    def rows(self, stream: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The current rows of a table, by key."""
        return self.tables.rows[stream]

    def people(self, now: float | None = None) -> dict[tuple[str], dict[str, Any]]:
        """All profiles at a time, by cio_id."""
        everyone = self.workspace.everyone(self.now if now is None else now)
        return {(person["identifiers"]["cio_id"],): person for person in everyone}


__all__ = ["DAY", "HOUR", "SINCE", "SyncScenario", "Tables"]
