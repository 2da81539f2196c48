"""States in Dagster's database, which all machines share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from tap_customerio.backfill.job import State


@dataclass
class StateStore:
    """The stored state of a workspace's regular sync, or of a partition.

    Attributes:
        run: The root run that started it, which retries share; None if any run may continue.
        state: The last state that the target confirmed.
        rows: Records sent per stream so far.
    """

    instance: dg.DagsterInstance
    key: str
    run: str | None = None
    state: State | None = None
    rows: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, instance: dg.DagsterInstance, what: str, run: str | None = None) -> StateStore:
        """Load the stored state; an empty one if another run started it."""
        key = f"tap-customerio/{what}"
        found = instance.daemon_cursor_storage.get_cursor_values({key}).get(key)
        saved: dict[str, Any] = json.loads(found) if found else {}
        if saved.get("run") != run:
            saved = {}
        return cls(instance, key, run, saved.get("state"), saved.get("rows", {}))

    def save(self) -> None:
        """Store the state."""
        value = {"run": self.run, "state": self.state, "rows": self.rows}
        self.instance.daemon_cursor_storage.set_cursor_values({self.key: json.dumps(value)})

    def forget(self) -> None:
        """Delete the state, so that the next run starts over."""
        self.instance.daemon_cursor_storage.set_cursor_values({self.key: ""})
