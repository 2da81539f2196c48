"""States in Dagster's own database, which all machines share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from tap_customerio.backfill.job import State


@dataclass
class StateStore:
    """What is remembered of one thing that is read: the regular sync of a workspace, a partition.

    Attributes:
        run: The run it was begun in; a retry has the same root. None where runs do not matter.
        state: The last state that the target has confirmed.
        rows: Records sent for each stream so far.
    """

    instance: dg.DagsterInstance
    key: str
    run: str | None = None
    state: State | None = None
    rows: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, instance: dg.DagsterInstance, what: str, run: str | None = None) -> StateStore:
        """What is remembered; nothing, if it was begun in another run."""
        key = f"tap-customerio/{what}"
        found = instance.daemon_cursor_storage.get_cursor_values({key}).get(key)
        saved: dict[str, Any] = json.loads(found) if found else {}
        if saved.get("run") != run:
            saved = {}
        return cls(instance, key, run, saved.get("state"), saved.get("rows", {}))

    def keep(self) -> None:
        """Remember it."""
        value = {"run": self.run, "state": self.state, "rows": self.rows}
        self.instance.daemon_cursor_storage.set_cursor_values({self.key: json.dumps(value)})

    def forget(self) -> None:
        """Start over next time."""
        self.instance.daemon_cursor_storage.set_cursor_values({self.key: ""})
