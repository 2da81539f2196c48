"""The origin of a state: the workspace it was read from, and limits of the read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.api.diagnosis import PROBE
from tap_customerio.api.values import number

if TYPE_CHECKING:
    from tap_customerio.api.client import Client
    from tap_customerio.settings import Settings

STATE_KEY = "workspace"
"""Member of the state with its workspace, beside `bookmarks`."""


def fingerprint(text: str) -> str:
    """A short hash that distinguishes values without revealing them."""
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def claim(saved: Any, client: Client, settings: Settings) -> dict[str, Any]:
    """Return the state's new entry about its workspace; `saved` is the old entry.

    A key lists all workspaces of its account, but not which of them it belongs to. So the state
    holds their ids and a fingerprint of the key. An unchanged key needs no request.

    Raises:
        TapError: The state belongs, or may belong, to another workspace.
    """
    if not isinstance(saved, dict | None):
        raise errors.inputs.bad_state_workspace()
    state: dict[str, Any] = saved or {}
    key, wanted, known = fingerprint(settings.app_api_key), settings.workspace_id, state.get("ids")
    known = known if isinstance(known, list) else []
    if state.get("key") == key and (wanted is None or known == [wanted]):
        return state
    listed = _listed(client)
    if wanted is not None and listed and wanted not in listed:
        raise errors.inputs.no_workspace(wanted, listed)
    ids = listed if wanted is None else [wanted]
    if state and not _is_same(known, ids, wanted):
        raise errors.inputs.other_workspace(known, ids)
    return {"ids": ids, "key": key}


def _is_same(known: list[Any], ids: list[int], wanted: int | None) -> bool:
    """Whether the key reads the state's workspace: the account's only one, or the setting's."""
    if wanted is not None:
        return wanted in known or not known
    return len(ids) == 1 and ids == known


def _listed(client: Client) -> list[int]:
    """The ids of the account's workspaces; empty if the key may not list them."""
    try:
        rows = client.listing(PROBE, "workspaces", params={"limit": None})
    except errors.FatalError:
        raise
    except errors.TapError:
        return []
    ids = [number(row.get("id")) for row in rows]
    return [found for found in ids if found is not None]
