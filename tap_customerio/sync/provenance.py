"""What a state belongs to: the workspace it was read from, and what restricted the read."""

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
"""Where a state says so, beside `bookmarks`."""


def fingerprint(text: str) -> str:
    """A short text that tells values apart, and does not give them away."""
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def claim(saved: Any, client: Client, settings: Settings) -> dict[str, Any]:
    """What the state says of the workspace from now on; `held` is what it has said so far.

    A key lists all workspaces of its account, but not which of them is its own. So the state holds
    their ids and a fingerprint of the key. With the same key nothing is asked.

    Raises:
        TapError: When the state belongs to another workspace, or may do so.
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
    """Whether the state's workspace is the key's: by the account's only one, or the setting."""
    if wanted is not None:
        return wanted in known or not known
    return len(ids) == 1 and ids == known


def _listed(client: Client) -> list[int]:
    """The ids of the account's workspaces; none if the key may not list them."""
    try:
        rows = client.listing(PROBE, "workspaces", params={"limit": None})
    except errors.FatalError:
        raise
    except errors.TapError:
        return []
    ids = [number(row.get("id")) for row in rows]
    return [found for found in ids if found is not None]
