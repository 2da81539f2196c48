"""The command line: Singer's flags, and commands for people."""

from __future__ import annotations

import gc
import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from terminal import config_file, typed

from tap_customerio import start
from tap_customerio.cli import main
from tap_customerio.errors import TapError
from tap_customerio.streams import all_streams
from tap_customerio.tap import TapCustomerio

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox import Sandbox

COMMANDS = ("backfill", "check", "completion", "demo", "fields", "init", "preview", "sandbox")


def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tap_customerio", *arguments],
        capture_output=True,
        text=True,
        check=check,
        timeout=120,
    )


@pytest.mark.slow
def test_help_shows_singers_flags_and_the_commands() -> None:
    text = run("--help").stdout
    for word in ("--config", "--catalog", "--state", "--discover", "--test", "--debug", *COMMANDS):
        assert word in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    assert f"Example: tap-customerio {command}" in typed(command, "--help").out


def test_version_names_the_tap() -> None:
    assert typed("--version").out.startswith("tap-customerio v")


def test_discovery_needs_no_account_and_lists_every_stream() -> None:
    catalog = json.loads(typed("--discover").out)
    kinds = {stream_class.name: stream_class for stream_class in all_streams()}
    assert {stream["tap_stream_id"] for stream in catalog["streams"]} == kinds.keys()
    for stream in catalog["streams"]:
        root = next(item["metadata"] for item in stream["metadata"] if not item["breadcrumb"])
        assert root["selected"] is kinds[stream["tap_stream_id"]].selected_by_default
        assert stream["key_properties"]


@pytest.mark.parametrize("style", ["json", "markdown"])
def test_about_lists_the_settings_and_all_streams(style: str) -> None:
    text = typed("--about", f"--format={style}").out
    for stream_class in all_streams():
        assert f"`{stream_class.name}`: {stream_class.about()[:20]}" in text
    for word in ("app_api_key", "metrics_timezone", "requests_per_second"):
        assert word in text


def test_an_unknown_command_is_an_error_without_traceback() -> None:
    screen = typed("backfil")
    assert screen.code == 2
    assert "No such command" in screen.err


@pytest.mark.parametrize(
    ("program", "module"),
    [
        (start.tap, "tap_customerio.cli"),
        (start.duckdb_target, "tap_customerio.duckdb_target.target"),
        (start.backfill_job, "tap_customerio.backfill.worker"),
    ],
)
def test_programs_are_imported_without_garbage_collection_and_run_with_it(
    program: Callable[[], None], module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    enabled: list[bool] = []

    def load(name: str) -> SimpleNamespace:
        assert name == module
        enabled.append(gc.isenabled())
        return SimpleNamespace(main=lambda: enabled.append(gc.isenabled()))

    monkeypatch.setattr(start, "import_module", load)
    program()
    assert enabled == [False, True]


def test_ctrl_c_during_imports_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "import_module", load)
    with pytest.raises(SystemExit) as ended:
        start.tap()
    assert ended.value.code == 130


@pytest.mark.parametrize("word", ["--discover", "fields"])
def test_a_closed_stdout_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["tap-customerio", word])
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "Error: Cannot write to stdout: it is closed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "most"),
    [
        ("--latency-ms", "600001"),
        ("--jitter-ms", "inf"),
        ("--jitter-ms", "nan"),
        ("--latency-ms", "nan"),
        ("--requests-per-second", "1000001"),
        ("--deliveries-per-day", "1000001"),
        ("--people", "10000001"),
    ],
)
def test_sizes_of_the_sandbox_are_limited(option: str, most: str) -> None:
    for value in ("-1", most):
        screen = typed("sandbox", option, value)
        assert screen.code == 2
        assert f"Invalid value for '{option}': {value}" in screen.err


@pytest.mark.parametrize(("port", "track_port"), [(0, 0), (8000, 8001), (65_535, 0)])
def test_the_track_api_has_the_next_port_of_the_sandbox_or_any(
    port: int, track_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setattr(
        "tap_customerio.commands.sandbox.serve", lambda _, **given: served.update(given)
    )
    assert typed("sandbox", "--port", str(port)).code == 0
    assert (served["port"], served["track_port"]) == (port, track_port)


@pytest.mark.parametrize("days", [-1, 0, 10**9])
def test_the_age_of_the_sandbox_is_limited(days: int) -> None:
    screen = typed("sandbox", "--days", str(days))
    assert screen.code == 2
    assert f"Invalid value for '--days': {days}" in screen.err


def test_packages_import_nothing_before_their_program_starts() -> None:
    packages = "tap_customerio.backfill, tap_customerio.duckdb_target, tap_customerio.start"
    script = f"import sys, {packages}; print({{'duckdb', 'singer_sdk'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"set()"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "Cannot read"),
        (b"{", "is not valid JSON (line 1, column 2): a configuration is a JSON object such as"),
        (b'{"app_api_key": "x",\n', "is not valid JSON (line 2, column 1)"),
        (b"[]", "it must begin with { and end with }"),
        (b"app_api_key: x", "is not valid JSON (line 1"),
        ("{“app_api_key”: 1}".encode(), "write straight quotes in place of curly ones"),
        ('{"app_api_key": "x"}'.encode("utf-16"), "save it again as UTF-8"),
    ],
)
@pytest.mark.parametrize("words", [(), ("--discover",), ("check",), ("preview", "messages")])
def test_an_unreadable_configuration_is_named(
    tmp_path: Path, words: tuple[str, ...], content: bytes | None, said: str
) -> None:
    path = tmp_path / "my config.json"
    if content is not None:
        path.write_bytes(content)
    screen = typed(*words, "--config", str(path), columns=200)
    assert screen.code == 1
    assert said in screen.err
    assert str(path) in screen.err
    assert "Traceback" not in screen.err


def test_a_file_with_a_byte_order_mark_is_read(sandbox: Sandbox, tmp_path: Path) -> None:
    path = Path(config_file(sandbox, tmp_path))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert typed("check", "snippets", "--config", str(path)).code == 0


def test_the_tap_itself_reads_config_json_in_the_current_folder(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Setting app_api_key is missing" in typed("--test=schema").err
    (tmp_path / "config.json").write_text(Path(config_file(sandbox, tmp_path)).read_text())
    assert typed("--test=schema").code == 0
    named = {"TAP_CUSTOMERIO_APP_API_KEY": "", "TAP_CUSTOMERIO_REGION": "mars"}
    assert typed("--test=schema", environment=named).code == 0
    assert "'mars'" in typed("--test=schema", "--config=ENV", environment=named).err


@pytest.mark.parametrize("name", ["TAP_CUSTOMERIO_LOGLEVEL", "LOGLEVEL"])
def test_an_unknown_log_level_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "loud")
    with pytest.raises(SystemExit, match="1"):
        main()
    assert f"{name} is 'loud', which is not a log level: set DEBUG, INFO" in capsys.readouterr().err


def test_a_busy_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        screen = typed("sandbox", "--port", str(port), "--people", "1", "--days", "1", columns=200)
    assert screen.code == 1
    assert f"Cannot listen on port {port} (Address already in use): stop what uses it" in screen.err


@pytest.mark.slow
def test_a_failing_connection_test_ends_with_a_sentence_and_an_exit_code(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = config_file(sandbox, tmp_path)
    sandbox.fail(status=403, path="/v1/snippets")
    screen = typed("--config", path, "--test", columns=200)
    assert screen.code == 1
    assert "Incomplete: snippets could not be read" in screen.err.splitlines()[-1]
    screen = typed("--config", config_file(sandbox, tmp_path, region="mars"), "--test")
    assert "Setting region is 'mars'" in screen.err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("words", [("check",), ("preview", "messages")])
def test_a_command_takes_its_configuration_from_anywhere_a_user_may_put_it(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    path = config_file(sandbox, tmp_path)
    monkeypatch.chdir(tmp_path)
    one = (*words, "snippets") if words == ("check",) else words
    assert typed("--config", path, *one).code == 0
    assert typed(*one, "--config", path).code == 0
    screen = typed(*one)
    assert screen.code == 1
    assert "Setting app_api_key is missing" in screen.err
    (tmp_path / "config.json").write_text((tmp_path / "settings.json").read_text())
    assert typed(*one).code == 0
    (tmp_path / "config.json").unlink()
    names = {"APP_API_KEY": sandbox.app_api_key, "API_URL": sandbox.url}
    environment = {f"TAP_CUSTOMERIO_{name}": value for name, value in names.items()}
    assert typed(*one, environment=environment).code == 0


def test_a_state_that_is_no_json_is_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("")
    screen = typed("--config", config_file(sandbox, tmp_path), "--state", str(state))
    assert screen.code == 1
    assert "The state is not a JSON" in screen.err
    assert "Traceback" not in screen.err


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_an_internal_error_shows_its_place_and_its_data_only_on_request(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, debug: tuple[str, ...]
) -> None:
    def fall_over(_: object) -> None:
        raise KeyError("ann@example.org")

    monkeypatch.setattr(TapCustomerio, "sync_all", fall_over)
    words = ("--config", config_file(sandbox, tmp_path), *debug)
    if debug:
        with pytest.raises(KeyError):
            typed(*words)
        return
    screen = typed(*words)
    assert screen.code == 1
    assert "Unexpected KeyError in fall_over, line " in screen.err
    assert "ann@" not in screen.err
    assert "Traceback" not in screen.err


def test_debug_may_be_anywhere_and_in_the_environment(tmp_path: Path) -> None:
    words = ("preview", "messages", "--config", str(tmp_path / "none.json"))
    assert typed(*words).code == 1
    for given in ((*words, "--debug"), ("--debug", *words)):
        with pytest.raises(TapError):
            typed(*given)
    with pytest.raises(TapError):
        typed(*words, environment={"TAP_CUSTOMERIO_DEBUG": "1"})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tap-customerio pre", "preview"),
        ("tap-customerio preview mess", "messages"),
        ("tap-customerio check --config x mess", "messages"),
        ("tap-customerio fields segment_m", "segment_memberships"),
        ("tap-customerio preview messages --lim", "--limit"),
    ],
)
def test_a_shell_completes_commands_options_and_streams(words: str, expected: str) -> None:
    place = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    screen = typed(environment={"_TAP_CUSTOMERIO_COMPLETE": "bash_complete", **place})
    assert expected in {line.split(",")[1] for line in screen.lines}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_calls_the_tap(shell: str) -> None:
    screen = typed("completion", shell)
    assert screen.code == 0
    assert f"_TAP_CUSTOMERIO_COMPLETE={shell}_complete" in screen.out


def test_an_ascii_pipe_is_no_problem(sandbox: Sandbox, tmp_path: Path) -> None:
    path = config_file(sandbox, tmp_path)
    chart = ("preview", "metrics", "--chart", "opened", "--config", path)
    for words in (chart, ("fields", "recipient")):
        screen = typed(*words, encoding="ascii")
        assert screen.code == 0
        assert screen.out.strip()
        assert "\x1b" not in screen.out


@pytest.mark.slow
def test_the_sandbox_command_runs_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "tap_customerio", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.terminate()
    assert re.search(r"Sandbox at http://127.0.0.1:\d+, App API key sandbox-app-api-key", line)
