"""`tap | target` for the rest of a backfill."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tap_customerio import errors
from tap_customerio.backfill.job import STATE_KEY
from tap_customerio.pipeline.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_customerio.backfill.job import State
    from tap_customerio.tap import TapCustomerio

logger = logging.getLogger("tap-customerio.backfill")


def run_pipe(
    command: str, tap: TapCustomerio, left: Sequence[str], save: Callable[[State], None]
) -> int:
    """Run to the end, storing each state that the target confirms; return the tap's exit code.

    Raises:
        TapError: The target failed, or did not confirm everything.
    """
    confirmed: State = {}

    def confirm(state: State) -> None:
        nonlocal confirmed
        save(state)
        confirmed = state

    def write() -> None:
        save(dict(tap.state))
        tap.sync_all()

    code, _ = _run(command, tap, confirm, write)
    if code:
        logger.warning("%s", errors.backfill.NOT_FINISHED)
        return code
    done = confirmed.get(STATE_KEY, {}).get("done", ())
    # Streams whose range ends after the present are unfinished, which is already logged.
    if unconfirmed := [n for n in left if n in tap.sync_run.progress.done and n not in done]:
        raise errors.backfill.unconfirmed(unconfirmed)
    return 0


def make_tables(command: str, tap: TapCustomerio) -> int:
    """Send only schemas first: parallel targets that create the same table may fail.

    Returns the exit code.

    Raises:
        TapError: The target failed.
    """

    def write() -> None:
        for stream in tap.streams.values():
            if stream.selected:
                stream.write_schema()

    code, number = _run(command, tap, lambda _: None, write)
    return code or (0 if number is None else 128 + number)


def _run(
    command: str,
    tap: TapCustomerio,
    save: Callable[[State], None],
    write: Callable[[], None],
) -> tuple[int, int | None]:
    """The tap's exit code, and the number of a received signal.

    Raises:
        TapError: The target failed.
    """
    code = 0
    with Target(command, save, relay=tap.sync_run.progress.draws) as target, tap.sync_run.progress:
        try:
            target.feed(tap, write)
        except errors.TapError as error:
            if target.signal is None:  # else our signal stopped the target
                logger.error("%s", error)  # noqa: TRY400 - a sentence, no traceback
            code = 1 if target.signal is None else 128 + target.signal
        except SystemExit as stop:
            code = int(stop.code or 0)
    logger.info("The tap exited with code %d, the target with %d.", code, target.code)
    if target.code and not code:
        raise errors.backfill.target_failed(target.code)
    return code, target.signal
