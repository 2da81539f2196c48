"""The steps of the demo."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tap_customerio import errors
from tap_customerio.demo import load, summary
from tap_customerio.report import models
from tap_customerio.report.figures import report as report_page
from tap_customerio.report.marts import Marts
from tap_customerio.warehouse import Warehouse

if TYPE_CHECKING:
    from rich.console import Console


def run(console: Console, output: Path, report: Path) -> None:
    """Create both files in a temporary folder, so that a failure leaves none.

    Raises:
        TapError: A step failed.
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


def _report(database: Path, page: Path) -> summary.Summary:
    """Write the page; return the figures for the terminal."""
    url = summary.url_of(database)
    loaded = Warehouse(url, load.SCHEMA)
    modelled = Warehouse(url, models.SCHEMA, errors.commands.unreadable_models)
    try:
        page.write_text(report_page(Marts(modelled)), encoding="utf-8")
        return summary.summarize(loaded, modelled)
    finally:
        loaded.close()
        modelled.close()


class Steps(Progress):
    """A bar for each step."""

    def __init__(self, console: Console) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,} {task.fields[unit]}"),
            TimeElapsedColumn(),
            console=console,
        )

    def begin(self, name: str, unit: str, total: int | None = None) -> None:
        """Finish the earlier steps, and start one."""
        if self.tasks:
            self.update(self.tasks[-1].id, total=self.tasks[-1].completed)
        self.add_task(name, total=total, unit=unit)

    def watch(self, done: int, total: int | None = None) -> None:
        """Show the progress of the last step; the total may be unknown."""
        self.update(self.tasks[-1].id, completed=done, total=total)
