"""The command that reads a range of the past."""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_customerio import errors
from tap_customerio.backfill.job import Job
from tap_customerio.backfill.jobs import Jobs, one_budget
from tap_customerio.backfill.pipe import make_tables, run_pipe
from tap_customerio.backfill.plan import Plan
from tap_customerio.backfill.shards import Shards
from tap_customerio.backfill.states import StateFile
from tap_customerio.commands.command_tap import (
    TIMES,
    config_option,
    stream_names,
)
from tap_customerio.settings import NAME
from tap_customerio.sync.progress import LogProgress, RunMeter
from tap_customerio.sync.run import terminal_bars
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import DAY, Window, parse, relative
from tap_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_customerio.backfill.job import State
    from tap_customerio.sync.progress import Meter, Progress

logger = logging.getLogger("tap-customerio.backfill")

_MOST_JOBS = 32
_NOTHING_LEFT = "This backfill is already complete; --restart starts over."

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@config_option
@click.option("--from", "start", required=True, metavar="TIME", help=f"Start: {TIMES}.")
@click.option("--to", "end", required=True, metavar="TIME", help="End, exclusive.")
@click.option(
    "--stream",
    "streams",
    multiple=True,
    metavar="NAME",
    shell_complete=stream_names,
    help="A stream to read; repeatable. Without it, all streams that have a time range.",
)
@click.option("--catalog", type=_FILE, help="Catalog that selects streams and fields.")
@click.option(
    "--target",
    metavar="COMMAND",
    help="Command of the target to run; the states that it confirms are kept.",
)
@click.option(
    "--state",
    type=_FILE,
    help=(
        "State file to continue from. With --target, the command writes it (default: a name "
        "made of the range); without, you append the states yourself."
    ),
)
@click.option(
    "--jobs",
    type=int,
    default=1,
    metavar="N",
    help=(
        "Run N copies of the tap and the target side by side, within one rate limit; not for "
        "targets that lock one file, such as DuckDB."
    ),
)
@click.option("--restart", is_flag=True, help="Discard the state and start over.")
@click.option(
    "--shard",
    default="1/1",
    metavar="K/N",
    help="Read only shard K of N; shards divide the range equally.",
)
@click.option(
    "--plan", "planning", is_flag=True, help="Estimate requests and time by a few; load nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def backfill(  # noqa: PLR0913, PLR0917 - one parameter an option
    config: dict[str, Any],
    start: str,
    end: str,
    streams: Sequence[str],
    catalog: Path | None,
    target: str | None,
    state: Path | None,
    jobs: int,
    restart: bool,  # noqa: FBT001
    shard: str,
    planning: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Read a past range, apart from the regular sync; run it again to continue.

    Example: tap-customerio backfill --config config.json --from 2024-01-01 --to 2025-01-01
    --stream messages --target 'tap-customerio-duckdb --config target.json'
    """
    is_plan = planning or as_json  # a plan has its notes below the table
    logging.getLogger(NAME).setLevel(logging.ERROR if is_plan else logging.NOTSET)
    wanted = TapCustomerio(config=dict(config)).catalog_dict if catalog is None else _read(catalog)
    job = Job(config, wanted, _range(start, end), streams, *_shard(shard))
    _check_target_and_jobs(jobs, job, target, planning=is_plan)
    file = StateFile(state or Path(job.file_name)) if state or target else None
    saved = None if file is None or restart else file.read()
    can_divide = job.shards == 1 and (target or is_plan)
    shards = Shards.of(job, saved, jobs) if can_divide else Shards(job, [saved])
    if file is not None and saved is not None:
        shards.check(saved, str(file.path))
    if is_plan:
        _show_plan(shards, as_json=as_json)
        return
    if file is not None and restart:
        file.forget()
    if file is not None and target is not None and shards.count > 1:
        sys.exit(_run_jobs(shards, file, target, jobs))
    if jobs > 1 and file is not None:
        logger.warning("%s", errors.backfill.one_shard(str(file.path), jobs))
    sys.exit(_run(job, saved, file, target))


def _run_jobs(shards: Shards, file: StateFile, target: str, most: int) -> int:
    if not shards.left:
        logger.info(_NOTHING_LEFT)
        return 0
    verb = "Continuing with" if any(shards.states) else "Reading"
    streams = ", ".join(shards.job.streams)
    logger.info("%s %s, in %s.", verb, streams, counted(shards.count, "shard"))
    logger.info("State file: %s", file.path)
    if code := make_tables(target, shards.job.tap()):
        return code
    with one_budget(shards.job) as budget:
        return Jobs(shards, target, file.write, most, budget).run(_display())


def _run(job: Job, saved: State | None, file: StateFile | None, target: str | None) -> int:
    tap = job.tap(saved, lambda run: _display()(RunMeter(run)))
    left = [name for name in job.streams if name not in tap.sync_run.progress.done]
    if not left:
        logger.info(_NOTHING_LEFT)
        return 0
    shard = f", shard {job.shard}/{job.shards}" if job.shards > 1 else ""
    verb = "Reading" if saved is None else "Continuing with"
    logger.info("%s %s%s.", verb, ", ".join(left), shard)
    if file is not None and target is not None:
        logger.info("State file: %s", file.path)
        return run_pipe(target, tap, left, file.write)
    if file is None:
        logger.warning("Without --state or --target, this backfill cannot be resumed.")
    with tap.sync_run.progress:
        tap.sync_all()
    return 0


def _show_plan(shards: Shards, *, as_json: bool) -> None:
    places = shards.left or [0]
    taps = [shards.jobs[place].tap(shards.states[place]) for place in places]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    plan = Plan.of_all(shards.job, taps, [shards.jobs[place] for place in places])
    if as_json:
        click.echo(json.dumps(plan.as_json(), indent=2))
        return
    from tap_customerio.backfill.table import show  # noqa: PLC0415 - the others start faster

    show(plan)


def _display() -> Callable[[Meter], Progress]:
    """Bars on a terminal, log lines otherwise."""
    return terminal_bars() or LogProgress


def _check_target_and_jobs(jobs: int, job: Job, target: str | None, *, planning: bool) -> None:
    if target is not None and not target.strip():  # from an unset variable of the shell
        raise errors.commands.bad_option("--target", target, "give the command of a target")
    wrong = None
    if not 1 <= jobs <= _MOST_JOBS:
        wrong = f"give a number from 1 to {_MOST_JOBS}"
    elif jobs > 1 and job.shards > 1:
        wrong = "it divides the range itself; leave out --shard"
    elif jobs > 1 and target is None and not planning:
        wrong = "each job runs its own target; add --target"
    if wrong is not None:
        raise errors.commands.bad_option("--jobs", str(jobs), wrong)


def _read(catalog: Path) -> dict[str, Any]:
    value = None
    with suppress(OSError, ValueError):
        value = json.loads(catalog.read_text(encoding="utf-8"))
    if not isinstance(value, dict) or "streams" not in value:
        raise errors.commands.bad_option(
            "--catalog", str(catalog), "pass one that --discover has written"
        )
    return value


def _range(start: str, end: str) -> Window:
    window = Window(_moment("--from", start), _moment("--to", end))
    if window.width <= 0:
        raise errors.commands.bad_option("--from", start, f"it must be before --to, {end!r}")
    if window.end > time.time() + DAY:
        raise errors.commands.bad_option("--to", end, "it is in the future; choose an earlier time")
    return window


def _moment(option: str, text: str) -> int:
    try:
        found = relative(text, time.time())
        return parse(text) if found is None else found
    except (ValueError, OverflowError):
        raise errors.commands.bad_option(option, text, f"write {TIMES}") from None


def _shard(shard: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", shard)
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count:
        raise errors.commands.bad_option(
            "--shard", shard, "write 3/8 for the third of eight shards"
        )
    return number, count
