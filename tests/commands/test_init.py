"""init: from a key to a working configuration, without a secret on the screen."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest
from harness import NOW, config_for, few_senders, new_sandbox, run_tap
from hostile import Edited
from terminal import Screen, typed

from tap_customerio.commands.command_tap import CommandTap
from tap_customerio.commands.estimate import AccountEstimate
from tap_customerio.commands.sampling import SamplingClient
from tap_customerio.ratelimit.limiter import RateLimiter
from tap_customerio.sandbox import Behaviours
from tap_customerio.streams import all_streams
from tap_customerio.streams.folders import FolderStream
from tap_customerio.streams.lists import ListStream
from tap_customerio.windows import DAY, parse, rfc3339
from tap_customerio.wording import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.slow

COUNT = sum(1 for _ in all_streams())
USUAL = {stream_class.name for stream_class in all_streams() if stream_class.selected_by_default}
FAST = (
    "from tap_customerio.ratelimit.limiter import RateLimiter; RateLimiter.headroom = 100; "
    "from tap_customerio.cli import main; main()"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and no delays."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(RateLimiter, "headroom", 100)
    return tmp_path


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    """Few lists to estimate."""
    with new_sandbox(workspace=few_senders(people=20, objects_per_type=4)) as box:
        yield box


def reply(box: Sandbox, *answers: str, words: tuple[str, ...] = ()) -> Screen:
    """Run init, and reply to its questions: start_date, streams, and the rest."""
    keys = (box.app_api_key, *answers)
    return typed("init", "--api-url", box.url, *words, answers=keys, columns=80)


def read(name: str) -> dict[str, Any]:
    """A JSON file of the folder."""
    content: dict[str, Any] = json.loads(Path(name).read_text())
    return content


def files() -> list[str]:
    """All files in the folder."""
    return [path.name for path in Path().iterdir()]


def selected(catalog: dict[str, Any]) -> set[str]:
    """Streams that the catalog selects."""
    return {
        stream["tap_stream_id"]
        for stream in catalog["streams"]
        for item in stream["metadata"]
        if not item["breadcrumb"] and item["metadata"]["selected"]
    }


def command_tap(box: Sandbox) -> CommandTap:
    """A tap as init has it."""
    tap = CommandTap({"app_api_key": box.app_api_key, "api_url": box.url})
    tap.use(SamplingClient(tap.settings, pages=None))
    return tap


def spawn(box: Sandbox, **environment: str) -> pexpect.spawn[str]:
    """Run init in its own terminal."""
    keep = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "CI"}}
    return pexpect.spawn(
        sys.executable,
        ["-c", FAST, "init", "--api-url", box.url],
        env={**keep, "TERM": "xterm-256color", "COLUMNS": "80", **environment},
        encoding="utf-8",
        dimensions=(40, 80),
        timeout=60,
    )


def test_a_session_at_a_terminal(sandbox: Sandbox) -> None:
    child = spawn(sandbox)
    child.expect("App API key")
    child.sendline("wrong-canary")
    child.expect("must be on it.")
    assert "app_api_key was refused by" in child.before
    assert "\x1b[31m" in child.before
    child.expect("App API key")
    child.sendline(sandbox.app_api_key)
    child.expect(rf"It can read {COUNT} of {COUNT} streams; about\s+[\d,]+\s+people")
    child.expect(r"start_date \(a date, or everything\) \[2025-10-03\]: ")
    output = child.before
    child.sendline("2026-03-01")
    child.expect(r"Streams .*\[recommended\]: ")
    output += child.before
    child.sendline("")
    child.expect("Next:")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0
    assert "canary" not in output + child.before
    assert sandbox.app_api_key not in output + child.before
    assert Path("config.json").stat().st_mode & 0o777 == 0o600
    assert read("config.json") == {
        "app_api_key": sandbox.app_api_key,
        "api_url": sandbox.url,
        "start_date": "2026-03-01T00:00:00Z",
    }
    assert files() == ["config.json"]
    assert typed("check", "snippets").code == 0


def test_ctrl_c_writes_nothing_and_no_color_is_respected(sandbox: Sandbox) -> None:
    child = spawn(sandbox, NO_COLOR="1")
    child.expect("App API key")
    child.sendline("wrong")
    child.expect("must be on it.")
    assert "\x1b[31m" not in child.before
    child.expect("App API key")
    child.kill(signal.SIGINT)
    child.expect("Aborted!")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 1
    assert files() == []


def test_without_a_terminal_it_says_what_to_do(sandbox: Sandbox) -> None:
    screen = typed("init", "--api-url", sandbox.url)
    assert screen.code == 1
    assert "run it in a terminal, or write config.json yourself" in screen.err


def test_no_file_is_replaced_without_confirmation(sandbox: Sandbox) -> None:
    Path("config.json").write_text("precious")
    screen = reply(sandbox, "", "", "n", "other.json")
    assert screen.code == 0
    assert "config.json exists. Replace" in screen.out
    assert Path("config.json").read_text() == "precious"
    assert read("other.json")["api_url"] == sandbox.url
    assert "tap-customerio check --config other.json" in screen.out
    assert reply(sandbox, "", "", "y").code == 0
    assert read("config.json")["app_api_key"] == sandbox.app_api_key


def test_meltano_lines_are_added_to_existing_ones(sandbox: Sandbox) -> None:
    Path(".env").write_text('OTHER=1\nTAP_CUSTOMERIO_APP_API_KEY="old"\n')
    screen = reply(sandbox, "2026-03-01", "messages,campaigns", "y", words=("--meltano",))
    assert screen.code == 0
    assert Path(".env").read_text().splitlines() == [
        "OTHER=1",
        f'TAP_CUSTOMERIO_APP_API_KEY="{sandbox.app_api_key}"',
        f'TAP_CUSTOMERIO_API_URL="{sandbox.url}"',
        'TAP_CUSTOMERIO_START_DATE="2026-03-01T00:00:00Z"',
    ]
    assert Path(".env").stat().st_mode & 0o777 == 0o600
    assert 'select:\n- "campaigns.*"\n- "messages.*"' in screen.out
    assert files() == [".env"]
    assert "\n  meltano run tap-customerio target-duckdb\n" in screen.out


def test_selected_streams_become_a_catalog(sandbox: Sandbox) -> None:
    screen = reply(sandbox, "everything", "mesages", "messages, campaigns")
    assert screen.code == 0
    assert "did you mean messages" in screen.words() + screen.err
    assert "start_date" not in read("config.json")
    assert selected(read("catalog.json")) == {"messages", "campaigns"}
    sync = "tap-customerio --config config.json --catalog catalog.json | tap-customerio-duckdb"
    assert f"  {sync} --config target.json > states.jsonl\n" in screen.out


def test_track_api_credentials_are_checked_and_saved(sandbox: Sandbox) -> None:
    keys = (sandbox.site_id, "wrong-canary", sandbox.site_id, sandbox.track_api_key)
    words = ("--track-api-url", sandbox.track_url)
    screen = reply(sandbox, *keys, "", "", words=words)
    assert screen.code == 0, screen.err
    assert "They work: workspace" in screen.words()
    assert "canary" not in screen.out + screen.err
    written = read("config.json")
    assert written["site_id"] == sandbox.site_id
    assert written["track_api_key"] == sandbox.track_api_key
    assert written["track_api_url"] == sandbox.track_url
    screen = reply(sandbox, "", "", "", "y", words=words)
    assert screen.code == 0, screen.err
    assert "site_id" not in read("config.json")


def test_streams_that_the_key_may_not_read_are_left_out(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    behaviours = Behaviours(without=frozenset({"/v1/exports"}), lacking=frozenset({"/v1/objects*"}))
    screen = reply(make_sandbox(behaviours=behaviours), "", "")
    assert screen.code == 0
    assert f"It can read {COUNT - 3} of {COUNT} streams" in screen.words()
    assert "exports: app_api_key may not read GET /v1/exports (403)" in screen.words()
    left_out = {"exports", "objects", "object_relationships"}
    assert selected(read("catalog.json")) == USUAL - left_out


def test_dates_are_validated_and_each_shows_its_cost(sandbox: Sandbox) -> None:
    screen = reply(sandbox, "soon", "2199-01-01", "2026-03-01", "")
    assert "is '2199-01-01T00:00:00Z', in the future" in screen.words() + screen.err
    assert "'soon' is not a time" in screen.words() + screen.err
    assert screen.code == 0
    for start in (rfc3339(NOW - NOW % DAY - 30 * DAY)[:10], "everything since 20"):
        assert start in screen.words()


def test_the_estimate_is_close_to_the_actual_cost(make_sandbox: Callable[..., Sandbox]) -> None:
    since = parse("2026-03-16")
    sandbox = make_sandbox(workspace=few_senders(since=since, people=25, objects_per_type=3))
    screen = reply(sandbox, "everything", "everything", "")
    [line] = [line for line in screen.lines if line.split()[:2] == ["everything", "since"]]
    deliveries = int(line.split()[3].replace(",", ""))
    truth = len(list(sandbox.workspace.deliveries(since, NOW, now=NOW)))
    assert deliveries == pytest.approx(truth, rel=0.2)
    [line] = [line for line in screen.lines if line.split()[:2] == ["everything", str(COUNT)]]
    requests = int(line.split()[2].removesuffix("+").replace(",", ""))
    assert line.split()[3:] == f"{duration(requests / 10 / RateLimiter.headroom)}+".split()
    sandbox.forget()
    run_tap(config_for(sandbox))
    assert requests == pytest.approx(len(sandbox.calls), rel=0.05)


def test_an_estimate_sends_about_ten_requests_for_any_number_of_dates(sandbox: Sandbox) -> None:
    estimate = AccountEstimate(command_tap(sandbox))
    everything = estimate.streams(None)
    lists = {each.path for each in all_streams() if issubclass(each, ListStream | FolderStream)}
    samples = [call for call in sandbox.calls if call.path not in lists]
    assert len(samples) <= 13
    before = len(sandbox.calls)
    start = rfc3339(NOW - 30 * DAY)
    month = estimate.streams(start)
    assert len(sandbox.calls) == before
    for stream in ("messages", "metrics"):
        assert 0 < (month[stream].requests or 0) < (everything[stream].requests or 0)
    assert 0 < (month["messages"].rows or 0) < (everything["messages"].rows or 0)


def test_what_cannot_be_counted_is_marked_and_explained(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    refused = frozenset({"/v1/workspaces", "/v1/*/*/metrics"})
    screen = reply(make_sandbox(behaviours=Behaviours(without=refused)), "", "")
    assert screen.code == 0
    assert "people." not in screen.words()
    [line] = [line for line in screen.lines if line.split()[:2] == ["everything", "since"]]
    assert line.split()[3] == "?"
    [line] = [line for line in screen.lines if line.startswith("   messages ")]
    assert line.split() == ["messages", "?", "?"]
    assert "n+: at least n. ?: not known before it is read." in screen.words()
    assert "messages: app_api_key may not read GET /v1/campaigns" in screen.words()
    [line] = [line for line in screen.lines if line.split()[:1] == ["recommended"]]
    assert line.split()[2].endswith("+")


@pytest.mark.parametrize(
    ("per_page", "requests", "note"),
    [
        (30, range(70_000, 90_000), "Roughly: the newest 2,000 activities arrived within"),
        (2, None, "Not estimated: the newest 2,000 activities arrived within"),
    ],
)
def test_many_activities_are_expensive(
    per_page: int, requests: range | None, note: str, make_sandbox: Callable[..., Sandbox]
) -> None:
    box = make_sandbox(workspace=few_senders(activities_per_day=120))
    pages = itertools.count()

    def crowd(answer: dict[str, Any]) -> None:
        page = next(pages)
        for row in answer["activities"]:
            row.update(id=f"x{row['id']}", timestamp=int(NOW) - per_page * page)

    box.middleware.app = Edited("GET /v1/activities", crowd).around(box.middleware.app)
    screen = reply(box, "", "")
    [line] = [line for line in screen.lines if line.startswith("   activities ")]
    number = line.split()[1].replace(",", "")
    assert number == "?" if requests is None else int(number) in requests
    assert f"activities: {note}" in screen.words()


def test_senders_that_cannot_be_listed_leave_a_lower_bound(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    refused = frozenset({"/v1/broadcasts"})
    screen = reply(make_sandbox(behaviours=Behaviours(without=refused)), "", "")
    [line] = [line for line in screen.lines if line.split()[:2] == ["everything", "since"]]
    assert line.split()[3].endswith("+")
    assert "messages: At least: deliveries of broadcasts are not counted." in screen.words()
    assert "WARNING" not in screen.out + screen.err


def test_a_path_of_any_system_can_be_pasted_into_a_shell(sandbox: Sandbox) -> None:
    name = "my config [1].json"
    screen = reply(sandbox, "", "", words=("--output", name))
    assert screen.code == 0
    assert f'tap-customerio check --config "{name}"' in screen.out
