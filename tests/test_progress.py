"""Progress: occasional lines in a log, bars on a terminal, otherwise nothing."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shlex
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pexpect
import pytest
from harness import SINCE, Output, config_for, select, small
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from singer_sdk.singerlib import StateMessage

from tap_customerio.sync.progress import LogProgress, Progress, RunMeter, Speed
from tap_customerio.sync.progress_bars import Bars
from tap_customerio.sync.writer import BufferedWriter
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import Window, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

STREAMS = ["campaigns", "messages"]
ENDS = {"metrics": "/metrics", "segment_counts": "/customer_count"}


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Restore pytest's signal handlers afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def sync(
    box: Sandbox, watching: Callable[[TapCustomerio], Progress], streams: list[str] = STREAMS
) -> tuple[Progress, Output]:
    """Sync on a fake terminal."""
    stdout = io.TextIOWrapper(io.BytesIO(), write_through=True)
    config = config_for(box, start_date=rfc3339(SINCE))
    with contextlib.redirect_stdout(stdout):
        tap = TapCustomerio(config=config, catalog=select(streams))
        tap.sync_run.progress = watching(tap)
        with tap.sync_run.progress:
            tap.sync_all()
    stdout.seek(0)
    return tap.sync_run.progress, Output.of(line.encode() for line in stdout)


def test_the_log_has_a_line_at_the_end_of_each_stream(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        progress, output = sync(sandbox, lambda tap: LogProgress(RunMeter(tap.sync_run)))
    said = [one.getMessage() for one in caplog.records if one.name == "tap-customerio.progress"]
    assert len(said) == 2
    campaigns, messages = said
    rows = len(output.records["messages"])
    assert campaigns.startswith("campaigns: finished, 12 rows; ")
    assert messages.startswith("messages: finished, ")
    assert f" {rows:,} rows, until 2026-04-01T12:00:00Z; " in messages
    assert messages.endswith(f" of 970.0 requests/s, {len(sandbox.calls)} requests")
    assert progress.done == STREAMS


def test_the_log_has_occasional_lines_during_a_stream(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LogProgress, "every", 0.0)
    with caplog.at_level(logging.INFO):
        sync(sandbox, lambda tap: LogProgress(RunMeter(tap.sync_run)))
    said = [one.getMessage() for one in caplog.records if one.name == "tap-customerio.progress"]
    assert len([line for line in said if line.startswith("messages: ")]) > 5


def drawn(bars: Bars) -> list[list[str]]:
    """The words of each bar."""
    screen = Console(file=io.StringIO(), width=120, color_system=None)
    screen.print(bars)
    assert isinstance(screen.file, io.StringIO)
    return [line.split() for line in screen.file.getvalue().splitlines()]


def test_bars_show_slices_rows_and_the_end(sandbox: Sandbox) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=120)
    progress, output = sync(sandbox, lambda tap: Bars(RunMeter(tap.sync_run), screen))
    assert isinstance(progress, Bars)
    campaigns, messages = drawn(progress)
    assert campaigns[0] == "campaigns"
    assert campaigns[2:4] == ["12", "rows"]
    assert messages[0] == "messages"
    rows = f"{len(output.records['messages']):,}"
    assert messages[2:6] == ["until", "2026-04-01T12:00:00Z", rows, "rows"]
    assert campaigns[-1] == messages[-1] == "done"
    assert progress.done == STREAMS
    assert isinstance(screen.file, io.StringIO)
    assert "messages" in screen.file.getvalue()


def test_bars_show_the_position_in_a_range_and_reasons_for_waiting(sandbox: Sandbox) -> None:
    tap = TapCustomerio(config=config_for(sandbox, end_date=rfc3339(SINCE + 100)))
    bars = Bars(RunMeter(tap.sync_run), Console(file=io.StringIO()))
    bars.begin("messages")
    [[_, idle, *_]] = drawn(bars)
    bars.slice("messages", Window(SINCE, SINCE + 20), None)
    bars.slice("messages", Window(SINCE + 20, SINCE + 50), None)
    [[_, half, *rest]] = drawn(bars)
    assert (half != idle, rest[:2]) == (True, ["until", rfc3339(SINCE + 50)])
    assert rest[-3:] == ["of", "970.0", "requests/s"]
    tap.client.limiter.throttle(60)
    [words] = drawn(bars)
    assert " ".join(words).endswith("the API asks to wait 1 min")


@pytest.mark.slow
def test_slices_are_counted_up_to_their_number(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        progress, _ = sync(
            sandbox,
            lambda tap: LogProgress(RunMeter(tap.sync_run)),
            ["metrics", "segment_counts", "snippets"],
        )
    said = [one.getMessage() for one in caplog.records if one.name == "tap-customerio.progress"]
    for name in ("metrics", "segment_counts"):
        [line] = [one for one in said if one.startswith(f"{name}: finished")]
        asked = len({call.path for call in sandbox.calls if call.path.endswith(ENDS[name])})
        assert f" rows, {asked} of {asked} parts; " in line
    assert " parts" not in next(one for one in said if one.startswith("snippets"))
    bars = Bars(RunMeter(TapCustomerio(config=config_for(sandbox)).sync_run), Console())
    bars.begin("metrics")
    bars.slice("metrics", None, 2)
    [[_, _, *words]] = drawn(bars)
    assert words[:6] == ["1", "of", "2", "parts", "0", "rows"]
    assert progress.done


class Meter:
    """Numbers set by a test."""

    rate, requests, pause, blocked = 9.6, 0, 0.0, 0.0

    def end(self, stream: str) -> int:  # noqa: ARG002 - nothing has a range
        """No range."""
        return 0


@contextlib.contextmanager
def stopped_clock() -> Iterator[list[float]]:
    """A clock that a test advances."""
    now = [0.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now[0])
        yield now


@pytest.mark.slow
@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 400)), min_size=1, max_size=30))
def test_a_speed_never_exceeds_the_limit(steps: list[tuple[float, int]]) -> None:
    meter = Meter()
    with stopped_clock() as now:
        speed = Speed(meter)
        for seconds, requests in steps:
            now[0] += seconds
            meter.requests += requests
            said, held = speed.measure()
            number, _, allowed, _ = said.split()
            assert float(number) <= float(allowed) == meter.rate
            assert not held


def test_a_slow_target_is_named(caplog: pytest.LogCaptureFixture) -> None:
    meter = Meter()
    with stopped_clock() as now, caplog.at_level(logging.INFO):
        log, bars = LogProgress(meter), Bars(meter, Console(file=io.StringIO()))
        for display in (log, bars):
            display.begin("messages")
        now[0] += 25
        meter.blocked = 20.0
        log.page("messages", 1)
        [words] = drawn(bars)
        assert " ".join(words).endswith("the target is busy")
        assert caplog.messages[-1].endswith("the target is busy")
        now[0] += 25
        log.page("messages", 1)
        assert "busy" not in caplog.messages[-1]


def test_a_writer_measures_how_long_its_target_blocked_it() -> None:
    read, write = os.pipe()
    writer = BufferedWriter()
    with open(write, "w", encoding="utf-8") as inlet, contextlib.redirect_stdout(inlet):  # noqa: PTH123
        reader = threading.Timer(0.3, lambda: all(iter(lambda: os.read(read, 1 << 20), b"")))
        reader.daemon = True
        reader.start()
        assert writer.blocked() == 0.0
        for _ in range(20):
            writer.write_record("messages", {"text": "x" * 20_000}, None)
        writer.write_message(StateMessage({}))
        assert writer.blocked() >= 0.1
    reader.join()
    os.close(read)


def test_only_warnings_appear_between_bars(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler()
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        tap = TapCustomerio(config=config_for(sandbox))
        with Bars(RunMeter(tap.sync_run), Console(stderr=True)):
            root.info("an aside")
            root.warning("a warning")
        root.info("a word")
    finally:
        root.removeHandler(handler)
        root.setLevel(logging.WARNING)
    shown = capsys.readouterr().err
    assert "a warning" in shown
    assert "a word" in shown
    assert "an aside" not in shown


def test_without_a_terminal_there_is_no_progress(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        progress, _ = sync(sandbox, lambda tap: tap.sync_run.progress)
    assert progress.done == STREAMS
    assert "tap-customerio.progress" not in {record.name for record in caplog.records}


@pytest.mark.e2e
@pytest.mark.parametrize("meltano", [False, True])
def test_a_sync_shows_bars_on_a_terminal_but_not_under_meltano(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, *, meltano: bool
) -> None:
    box = make_sandbox(workspace=small())
    config, written = tmp_path / "config.json", tmp_path / "written"
    config.write_text(json.dumps(config_for(box, requests_per_second=200)))
    words = shlex.join([sys.executable, "-m", "tap_customerio", "--config", str(config)])
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    environment |= {"MELTANO_PROJECT_ROOT": str(tmp_path)} if meltano else {}
    terminal = pexpect.spawn(
        "sh",
        ["-c", f"{words} > {written}"],
        env=environment,
        encoding="utf-8",
        dimensions=(40, 120),
        timeout=120,
    )
    shown = terminal.read()
    terminal.close()
    assert terminal.exitstatus == 0
    assert ("━" in shown) is not meltano
    assert ("requests/s" in shown) is not meltano
    assert "requests: " in shown  # the log's last line, below the bars
    lines = written.read_text().splitlines()
    assert {json.loads(line)["type"] for line in lines} >= {"RECORD", "SCHEMA", "STATE"}
