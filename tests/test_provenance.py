"""A state works only with the workspace and the filters that it was read with."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from freshness import HOUR, SyncScenario
from harness import config_for, run_tap, small

from tap_customerio.errors import TapError
from tap_customerio.sandbox import Workspace
from tap_customerio.sync import validation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox import Sandbox

KEY = "another-key"
SIBLING = 1002


def several() -> Workspace:
    """A workspace of an account with two workspaces."""
    return Workspace(since=1_767_225_600, per_day=3, people=9, siblings=[SIBLING])


def synced(box: Sandbox, state: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """The last state of a sync."""
    config = config_for(box, start_date="2026-03-25", **settings)
    return run_tap(config, streams=["messages"], state=state).states[-1]


@pytest.mark.slow
def test_the_state_contains_the_workspace_and_requests_it_once(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox(workspace=small())
    state = synced(box)
    assert state["workspace"]["ids"] == [1001]
    assert box.app_api_key not in json.dumps(state)
    box.forget()
    state = run_tap(config_for(box), streams=["segments"], state=state).states[-1]
    assert state["workspace"]["ids"] == [1001]
    assert [call.path for call in box.calls] == ["/v1/segments"]


@pytest.mark.slow
def test_the_state_of_another_workspace_is_rejected_before_anything_is_read(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox(workspace=small())
    state = synced(box)
    state["workspace"] = {"ids": [7], "key": "00000000"}
    box.forget()
    sentence = "The state belongs to workspace 7, but the key to workspace 1001: pass this"
    with pytest.raises(TapError, match=sentence):
        synced(box, state)
    assert {call.path for call in box.calls} == {"/v1/workspaces"}


@pytest.mark.slow
def test_a_new_key_of_the_only_workspace_continues(make_sandbox: Callable[..., Sandbox]) -> None:
    before = synced(make_sandbox(workspace=small()))
    state = synced(make_sandbox(workspace=small(), app_api_key=KEY), before)
    assert state["workspace"]["ids"] == [1001]
    assert state["workspace"]["key"] != before["workspace"]["key"]


@pytest.mark.slow
def test_a_new_key_with_several_workspaces_needs_workspace_id(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox(workspace=several())
    before = synced(box)
    assert before["workspace"]["ids"] == [1001, SIBLING]
    assert synced(box, before)["workspace"] == before["workspace"]
    box = make_sandbox(workspace=several(), app_api_key=KEY)
    with pytest.raises(
        TapError, match="may belong to another workspace: if it is the same one, set workspace_id"
    ):
        synced(box, before)
    state = synced(box, before, workspace_id=1001)
    assert state["workspace"]["ids"] == [1001]
    assert synced(box, state)["workspace"] == state["workspace"]
    with pytest.raises(TapError, match="belongs to workspace 1001, but the key to workspace 1002"):
        synced(box, state, workspace_id=SIBLING)
    with pytest.raises(TapError, match="workspace_id is 5, which is not a workspace of the key's"):
        synced(box, state, workspace_id=5)


@pytest.mark.slow
def test_a_key_that_may_not_list_workspaces_is_identified_by_itself(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox(workspace=small())
    box.fail(status=403, times=99, path="/v1/workspaces")
    state = synced(box)
    assert state["workspace"]["ids"] == []
    state = synced(box, state)
    box = make_sandbox(workspace=small(), app_api_key=KEY)
    box.fail(status=403, times=99, path="/v1/workspaces")
    with pytest.raises(TapError, match="may belong to another workspace"):
        synced(box, state)


@pytest.mark.slow
def test_a_state_without_a_workspace_continues_and_gets_one(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox(workspace=small())
    state = synced(box)
    del state["workspace"]
    assert synced(box, state)["workspace"]["ids"] == [1001]
    with pytest.raises(TapError, match="member 'workspace' is not an object"):
        synced(box, {**state, "workspace": 7})


def test_a_checked_state_keeps_its_workspace() -> None:
    text = json.dumps({"bookmarks": {}, "workspace": {"ids": [1], "key": "x"}})
    checked = validation.checked_state(io.StringIO(text), {})
    assert checked is not None
    assert json.loads(checked.read()) == json.loads(text)


@pytest.mark.slow
@pytest.mark.parametrize("new", [None, "Europe"])
def test_everyone_is_read_after_a_change_of_customers_filter(new: str | None) -> None:
    with SyncScenario(streams=["customers"], people=60) as scenario:
        scenario.sync(customers_filter=_only("Asia"))
        few = len(scenario.output.records["customers"])
        scenario.sync(HOUR, **({"customers_filter": _only(new)} if new else {}))
        people = scenario.people().values()
        wanted = [p for p in people if new in {None, p["attributes"]["region"]}]
        assert len(scenario.output.records["customers"]) == len(wanted) > few
        if new is None:
            scenario.sync(HOUR)  # it does not drop those missing in the first one yet
            assert "ACTIVATE_VERSION" in scenario.output.types
            assert scenario.sync(HOUR) < 12
            assert len(scenario.output.records["customers"]) < len(people)


def _only(region: str) -> dict[str, Any]:
    return {"attribute": {"field": "region", "operator": "eq", "value": region}}
