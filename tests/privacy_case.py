"""Privacy requests from the command line, with a small sandbox."""

from __future__ import annotations

import csv
import io
import json
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import NOW
from terminal import config_file, typed

from tap_customerio.sandbox import Clock, Sandbox, Workspace
from tap_customerio.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from terminal import Screen

PEOPLE = "/v1/customers/attributes"


DOCS = (Path(__file__).parents[1] / "docs" / "privacy.md").read_text()


def schema(name: str) -> dict[str, Any]:
    """A JSON Schema in the documentation."""
    shown = re.search(rf"### `{re.escape(name)}`.*?```json\n(.*?)```", DOCS, re.DOTALL)
    assert shown is not None
    found: dict[str, Any] = json.loads(shown[1])
    return found


class PrivacyCase:
    """A sandbox at a fixed time, its configuration, and a folder for results."""

    def __init__(
        self, folder: Path, workspace: dict[str, Any] | None = None, **options: Any
    ) -> None:
        """Prepare a workspace of some 20 people."""
        size = {"since": (NOW // DAY - 250) * DAY, "per_day": 6, "activities_per_day": 12}
        size["objects_per_type"] = 6
        space = Workspace(**{**size, "people": 20, **(workspace or {})})
        self.clock = Clock(NOW)
        self.box = Sandbox(space, clock=self.clock, requests_per_second=None, **options)
        self.folder = folder
        self.people_admin = space.people_admin

    def config(self, **settings: Any) -> str:
        """A file of settings with both APIs."""
        pair = {"site_id": self.box.site_id, "track_api_key": self.box.track_api_key}
        place = {"track_api_url": self.box.track_url}
        return config_file(self.box, self.folder, **{**pair, **place, **settings})

    def ask(
        self, *words: str, to: str = "out", answers: Sequence[str] = (), **settings: Any
    ) -> Screen:
        """Run a command."""
        place = ("--output", str(self.folder / to), "--config", self.config(**settings))
        return typed("privacy", *words, *place, answers=answers)

    def erase(self, *words: str, **options: Any) -> Screen:
        """Erase without a confirmation."""
        return self.ask("erase", "--yes", *words, **options)

    def add(self, **named: str) -> str:
        """Create a person; returns the cio_id."""
        cio_id = self.people_admin.identify(named, at=NOW)
        assert cio_id
        return cio_id

    def known(self, index: int = 0) -> dict[str, str]:
        """Identifiers of a person with all of them, and a plus sign in the address."""
        everyone = self.box.workspace.everyone(NOW)
        names = [p["identifiers"] for p in everyone if "+" in (p["identifiers"]["email"] or "")]
        chosen: dict[str, str] = [name for name in names if name["id"]][index]
        return chosen

    def has(self, cio_id: str) -> bool:
        """Whether the workspace knows a person."""
        return self.box.workspace.find("cio_id", cio_id, self.clock.now()) is not None

    def read(self, *names: str) -> Any:
        """A JSON file in the folder of results."""
        return json.loads(self.folder.joinpath("out", *names).read_bytes())

    def results(self) -> list[dict[str, str]]:
        """The lines of results."""
        return list(csv.DictReader(io.StringIO((self.folder / "out" / "results.csv").read_text())))

    def all_text(self) -> str:
        """All files in the folder of results, except keys."""
        files = (path for path in (self.folder / "out").rglob("*") if path.is_file())
        return "\n".join(path.read_text() for path in files if path.suffix != ".key")

    def modes(self) -> set[str]:
        """The modes of the folder of results and its files."""
        out = self.folder / "out"
        return {
            f"{'d' if path.is_dir() else 'f'}{stat.S_IMODE(path.stat().st_mode):o}"
            for path in (out, *out.rglob("*"))
        }
