"""The steps of the demo, one after the other."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tap_customerio import errors
from tap_customerio.commands.warehouse import Warehouse
from tap_customerio.demo import load, models, summary
from tap_customerio.report.figures import report as report_page
from tap_customerio.report.marts import Marts

if TYPE_CHECKING:
    from rich.console import Console


def run(console: Console, output: Path, report: Path) -> None:
    """Make both files in a folder beside their place, so that there is all of them or nothing.

    Raises:
        TapError: When a step failed.
    """
    with tempfile.TemporaryDirectory(prefix=".demo-", dir=output.absolute().parent) as name:
        folder = Path(name)
        database, page = folder / output.name, folder / report.name
        with Steps(console) as steps, models.waiting(database, folder) as dbt:
            with load.new_sandbox() as sandbox:
                steps.begin("Load", "requests", load.REQUESTS)
                load.load(sandbox, database, folder, steps.watch)
            steps.begin("Build", "models and tests")
            dbt.build(steps.watch)
            steps.begin("Report", "page")
            found = _report(database, page)
            steps.watch(1, 1)
        database.replace(output)
        page.replace(report)
    summary.show(console, found, output, report)


def _report(database: Path, page: Path) -> summary.Found:
    """Write the page; gives what else there is to show."""
    url = summary.url_of(database)
    loaded = Warehouse(url, load.SCHEMA)
    modelled = Warehouse(url, models.SCHEMA, errors.commands.unreadable_models)
    try:
        page.write_text(report_page(Marts(modelled)), encoding="utf-8")
        return summary.look(loaded, modelled)
    finally:
        loaded.close()
        modelled.close()


class Steps(Progress):
    """A bar for each step, one below the other."""

    def __init__(self, console: Console) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,} {task.fields[unit]}"),
            TimeElapsedColumn(),
            console=console,
        )

    def begin(self, name: str, unit: str, total: int | None = None) -> None:
        """The steps so far are done."""
        if self.tasks:
            self.update(self.tasks[-1].id, total=self.tasks[-1].completed)
        self.add_task(name, total=total, unit=unit)

    def watch(self, done: int, total: int | None = None) -> None:
        """So much of the last step is done, of so much if that is known."""
        self.update(self.tasks[-1].id, completed=done, total=total)
