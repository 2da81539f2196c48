"""A failure is one sentence, is retried from the last state, and hides nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import dagster as dg
import pytest
from backfill.backfilling import TARGET, keys
from orchestration.dagster_harness import KEY, QUIET, DagsterHarness, failure, materialized

from tap_customerio.dagster import Workspace, build_definitions
from tap_customerio.errors import TapError
from tap_customerio.windows import parse

pytestmark = pytest.mark.slow

MARCH = "2026-03-01|acme"
FOREVER = 10**6
DIES_AT_FIRST = TARGET.replace("for line", "fresh = not seen.tell()\nfor line").replace(
    "    if line", "    if fresh and seen.tell() > 200_000: sys.exit(3)\n    if line"
)


@pytest.fixture(autouse=True)
def tried_once_more(dagster_harness: DagsterHarness) -> None:
    """Retry without a delay."""
    dagster_harness.options["retry_policy"] = dg.RetryPolicy(max_retries=1)


def starts(dagster_harness: DagsterHarness) -> list[int]:
    """The start of the range in each request for deliveries."""
    calls = [call for call in dagster_harness.box.calls if call.path == "/v1/messages"]
    return [int(call.query["start_ts"]) for call in calls]


def saved_state(dagster_harness: DagsterHarness, what: str) -> dict[str, Any]:
    """The saved state of a partition in Dagster's database."""
    [text] = dagster_harness.instance.daemon_cursor_storage.get_cursor_values(
        {f"tap-customerio/{what}"}
    ).values()
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def test_a_retry_resumes_from_the_state_and_a_later_run_starts_over(
    dagster_harness: DagsterHarness,
) -> None:
    acme = dagster_harness.workspace(target=dagster_harness.target(DIES_AT_FIRST))
    result = dagster_harness.run("history", MARCH, acme, streams=["messages"])
    assert result.success
    about = materialized(result)["messages"]
    assert about["attempt"] == 2
    assert starts(dagster_harness).count(parse("2026-03-01")) == 1
    interrupted = dagster_harness.received()

    dagster_harness.box.forget()
    result = dagster_harness.run("history", MARCH, streams=["messages"])
    whole = dagster_harness.received()
    assert materialized(result)["messages"]["rows"] == len(whole.records["messages"])
    assert min(starts(dagster_harness)) == parse("2026-03-01")
    assert keys(interrupted).keys() == keys(whole).keys()
    assert about["rows"] >= len(keys(whole))


def test_failed_runs_are_tried_three_times_by_default(dagster_harness: DagsterHarness) -> None:
    definitions = build_definitions([dagster_harness.workspace()], "2026-02-01")
    for name in ("history", "lists", "sync"):
        [node] = definitions.resolve_job_def(f"customerio_{name}").nodes
        policy: Any = node.definition
        assert policy.retry_policy == dg.RetryPolicy(
            max_retries=2,
            delay=30,
            backoff=dg.Backoff.EXPONENTIAL,
            jitter=dg.Jitter.PLUS_MINUS,
        )


def test_complete_streams_are_materialized_though_another_is_forbidden(
    dagster_harness: DagsterHarness,
) -> None:
    dagster_harness.box.fail(status=403, times=FOREVER, path="/v1/snippets")
    result = dagster_harness.run("lists", "acme", streams=["campaigns", "snippets"])
    read = materialized(result)
    assert read.keys() == {"campaigns"}
    why = failure(result)
    assert "app_api_key may not read GET /v1/snippets (403)" in why
    assert "Incomplete: snippets could not be read" in why
    paths = [call.path for call in dagster_harness.box.calls]
    assert (paths.count("/v1/campaigns"), paths.count("/v1/snippets")) == (1, 2)
    assert read["campaigns"]["rows"] == len(dagster_harness.received().records["campaigns"])


def test_a_retry_of_fewer_streams_uses_their_part_of_the_state(
    dagster_harness: DagsterHarness,
) -> None:
    dagster_harness.options["retry_policy"] = None
    dagster_harness.box.fail(status=403, times=FOREVER, path="/v1/campaigns/*/metrics")
    assert not dagster_harness.run("history", MARCH, streams=["messages", "metrics"]).success
    held = saved_state(dagster_harness, f"history/{MARCH}")
    assert held["state"]["backfill"]["done"] == ["messages"]

    dagster_harness.box.middleware.failures.clear()
    dagster_harness.box.forget()
    assert dagster_harness.run("history", MARCH, streams=["messages"]).success
    assert min(starts(dagster_harness)) == parse("2026-03-01"), "not the state of another run"

    dagster_harness.box.forget()
    retry = dg.MultiPartitionKey({"workspace": "acme", "month": "2026-03-01"})
    storage = dagster_harness.instance.daemon_cursor_storage
    run_id = "0d1cfc5f-5a4e-4d54-b1f4-1e0a6a2b3c4d"
    storage.set_cursor_values(
        {f"tap-customerio/history/{MARCH}": json.dumps({**held, "run": run_id})}
    )
    result = dagster_harness.run("history", retry, streams=["metrics"], run_id=run_id)
    assert materialized(result).keys() == {"metrics"}
    assert starts(dagster_harness) == []


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (f"{TARGET}sys.exit(3)\n", "The target exited with code 3: its log says why."),
        ("import sys\nfor line in sys.stdin: pass", "The target has not confirmed messages:"),
    ],
    ids=["fails", "confirms nothing"],
)
def test_a_failing_target_is_a_failure(
    dagster_harness: DagsterHarness, script: str, sentence: str
) -> None:
    dagster_harness.options["retry_policy"] = None
    acme = dagster_harness.workspace(target=dagster_harness.target(script))
    assert sentence in failure(dagster_harness.run("history", MARCH, acme, streams=["messages"]))


def test_a_missing_key_is_named_by_its_variable_and_not_retried(
    dagster_harness: DagsterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY)
    result = dagster_harness.run("lists", "acme")
    assert failure(result) == (
        f"Workspace 'acme': environment variable {KEY} is not set on this machine: set it to the "
        "workspace's App API key, for every worker."
    )
    assert "STEP_UP_FOR_RETRY" not in {event.event_type_value for event in result.all_events}
    assert dagster_harness.box.calls == []


def test_a_target_that_is_not_installed_is_named(
    dagster_harness: DagsterHarness,
) -> None:
    result = dagster_harness.run(
        "lists", "acme", dagster_harness.workspace(target="target-nowhere --config x")
    )
    assert failure(result) == (
        "Workspace 'acme': target 'target-nowhere' is not on this machine: install it on every "
        "worker, or give its path."
    )
    assert dagster_harness.box.calls == []


def test_the_key_is_nowhere_in_dagsters_storage(
    dagster_harness: DagsterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_CUSTOMERIO_LOGLEVEL", "DEBUG")
    dagster_harness.options |= {"streams": ["campaigns", "messages"], "retry_policy": None}
    home = dagster_harness.folder / "home"
    home.mkdir()
    fails = dagster_harness.workspace(target=dagster_harness.target(f"{TARGET}sys.exit(3)\n"))
    with dg.DagsterInstance.local_temp(str(home), QUIET) as instance:
        dagster_harness.instance = instance
        assert not dagster_harness.run("sync", "acme", fails).success
        dagster_harness.box.fail(status=401, times=FOREVER)
        assert "app_api_key was refused" in failure(dagster_harness.run("history", MARCH, fails))
    stored = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert KEY.encode() in stored
    assert b"tap-customerio/sync/acme" in stored
    assert dagster_harness.box.app_api_key.encode() not in stored


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"name": "a|b"},
            "Workspace 'a|b': its name may contain letters, digits, '.', '_' and '-' only.",
        ),
        ({"target": " "}, "Workspace 'acme': ' ' is not a command."),
        ({"target": "target 'x"}, "is not a command."),
        ({"region": "moon"}, "Workspace 'acme': Setting region is 'moon', which is not one of"),
        ({"settings": {"concurrency": 0}}, "Setting concurrency is 0, which is less than 1"),
        ({"settings": {"concurency": 4}}, "There is no setting 'concurency': did you mean conc"),
    ],
)
def test_a_workspace_is_checked_before_anything_runs(wrong: dict[str, Any], sentence: str) -> None:
    usual: dict[str, Any] = {"name": "acme", "app_api_key_env": KEY, "target": "target-jsonl"}
    with pytest.raises(TapError) as caught:
        Workspace(**{**usual, **wrong})
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"streams": ["mesages"]}, "There is no stream 'mesages': did you mean messages"),
        ({"start_date": "soon"}, "start_date is 'soon': write a date such as 2024-01-01."),
        ({"end_date": "2026-13-01"}, "end_date is '2026-13-01': write a date"),
    ],
)
def test_definitions_are_checked_before_anything_runs(
    dagster_harness: DagsterHarness, options: dict[str, Any], sentence: str
) -> None:
    dagster_harness.options |= options
    with pytest.raises(TapError) as caught:
        dagster_harness.definitions()
    assert sentence in str(caught.value)


def test_two_workspaces_of_one_name_are_rejected(dagster_harness: DagsterHarness) -> None:
    with pytest.raises(TapError) as caught:
        dagster_harness.definitions(dagster_harness.workspace(), dagster_harness.workspace())
    assert str(caught.value) == "Workspace 'acme': another workspace has the same name."


def test_a_missing_extra_is_named() -> None:
    hidden = "import sys; sys.modules['dagster'] = None; import tap_customerio.dagster"
    ran = subprocess.run(
        [sys.executable, "-c", hidden], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: tap_customerio.dagster needs an extra: run pip "
        "install '.[dagster]' in a clone of the repository."
    )
