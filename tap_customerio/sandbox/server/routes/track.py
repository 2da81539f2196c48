"""The Track API: region and workspace of its keys, and erasure of people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from tap_customerio.sandbox.server.middleware import json
from tap_customerio.sandbox.world.people import PREFERENCES

if TYPE_CHECKING:
    from tap_customerio.sandbox.server.routes.request import ApiRequest, Handler
    from tap_customerio.sandbox.world.rng import Row

REGION = "/api/v1/accounts/region"
LONGEST = 150
ENTITY = 32 * 1024
BATCH = 500 * 1024
BAD_REQUEST = 400
MULTI_STATUS = 207
ACTIONS = ("delete", "suppress", "unsuppress")
_PHONE = re.compile(r"\+\d{6,15}")


def region(request: ApiRequest) -> Row:
    """The region of the keys' workspace, the same from both regions' hosts."""
    credentials = request.credentials
    return {
        "url": credentials.url,
        "region": credentials.region,
        "environment_id": credentials.workspace,
    }


def version_1(action: str) -> Handler:
    """Accept any identifier, and guess its kind from its shape."""

    def act(request: ApiRequest) -> Any:
        text: str = request.path["person"]
        if len(text.encode()) > LONGEST:
            return json({"meta": {"error": "id is too long"}}, BAD_REQUEST)
        kinds = request.workspace.identity_index.kinds
        if text.startswith("cio_"):
            _act(request, action, "cio_id", text.removeprefix("cio_"))
        else:
            _act(request, action, "email" if "@" in text and "email" in kinds else "id", text)
        return {}

    return act


def change(request: ApiRequest) -> Any:
    """Set attributes of a person by cio_id; other identifiers are accepted and dropped.

    As documented: `_update` creates no person, a dotted name sets one member of an attribute,
    and an unknown cio_id is accepted.
    """
    body, text = _decoded(request.body), request.path["person"]
    if not isinstance(body, dict):
        return json({"meta": {"error": "malformed"}}, BAD_REQUEST)
    people_admin, now = request.workspace.people_admin, int(request.now)
    number = request.workspace.identity_index.find("cio_id", text.removeprefix("cio_"), request.now)
    if request.credentials.is_ours and text.startswith("cio_") and number is not None:
        values = {name: value for name, value in body.items() if name != "_update"}
        attributes = request.workspace.people.attributes(number, request.now)
        changes = {
            name: _as_attribute(value)
            for name, value in values.items()
            if not name.startswith(PREFERENCES + ".")
        }
        dotted = {name: value for name, value in values.items() if name not in changes}
        if dotted:
            changes[PREFERENCES] = _with_topics(attributes.get(PREFERENCES), dotted)
        at = now + request.behaviours.changes_take
        people_admin.change(text.removeprefix("cio_"), changes, at=at)
    return {}


def entity(request: ApiRequest) -> Any:
    """Erase one person by a stated kind of identifier."""
    item = _decoded(request.body)
    fault = _fault(request, item) if len(request.body) <= ENTITY else _wrong("too_large", "body")
    if fault:
        return json({"errors": [fault]}, BAD_REQUEST)
    _erase(request, item)
    return {}


def batch(request: ApiRequest) -> Any:
    """Erase many people; malformed entries are skipped and named by their indexes."""
    body = _decoded(request.body)
    items = body.get("batch") if isinstance(body, dict) else None
    if not isinstance(items, list) or not items or len(request.body) > BATCH:
        return json({"errors": [_wrong("required", "batch")]}, BAD_REQUEST)
    faults = [_fault(request, item) for item in items]
    for item, fault in zip(items, faults, strict=True):
        if not fault:
            _erase(request, item)
    named = [{"batch_index": place, **fault} for place, fault in enumerate(faults) if fault]
    return json({"errors": named}, MULTI_STATUS) if named else {}


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", REGION): region,
    ("PUT", "/api/v1/customers/{person}"): change,
    ("DELETE", "/api/v1/customers/{person}"): version_1("delete"),
    ("POST", "/api/v1/customers/{person}/suppress"): version_1("suppress"),
    ("POST", "/api/v1/customers/{person}/unsuppress"): version_1("unsuppress"),
    ("POST", "/api/v2/entity"): entity,
    ("POST", "/api/v2/batch"): batch,
}


def _as_attribute(value: Any) -> str:
    """A value in the form of profiles, which is always text."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _with_topics(attributes: str | None, dotted: Row) -> str:
    """The preferences attribute with some topics changed."""
    preferences: Row = msgspec.json.decode(attributes) if attributes else {}
    topics = dict(preferences.get("topics") or {})
    topics |= {name.rpartition(".")[2]: value for name, value in dotted.items()}
    return msgspec.json.encode({**preferences, "topics": topics}).decode()


def _erase(request: ApiRequest, item: Row) -> None:
    ((kind, text),) = item["identifiers"].items()
    _act(request, item["action"], kind, text)


def _act(request: ApiRequest, action: str, kind: str, text: str) -> None:
    """Apply the action to the keys' workspace; another workspace is invisible."""
    if not request.credentials.is_ours:
        return
    people_admin, now, after = (
        request.workspace.people_admin,
        int(request.now),
        request.behaviours.erasure_takes,
    )
    if action == "delete":
        people_admin.delete(kind, text, at=now, after=after)
    elif action == "suppress":
        blocks = kind != "cio_id" or request.behaviours.blocks_by_cio_id
        people_admin.suppress(kind, text, at=now, after=after, blocks_others=blocks)
    else:
        people_admin.unsuppress(kind, text)


def _fault(request: ApiRequest, item: Any) -> Row | None:
    """The error in one erasure of version 2; None if it is valid."""
    match item:
        case {"type": "person", "action": action, "identifiers": {**named}} if action in ACTIONS:
            if len(named) != 1:
                return _wrong("required", "identifiers")
            ((kind, text),) = named.items()
            return _identifier_fault(request, str(kind), text)
        case {"type": "person", "identifiers": dict()}:
            return _wrong("invalid", "action")
        case {"type": "person"}:
            return _wrong("required", "identifiers")
    return _wrong("invalid", "type")


def _identifier_fault(request: ApiRequest, kind: str, text: Any) -> Row | None:
    field = f"identifiers.{kind}"
    if kind not in request.workspace.identity_index.kinds or not isinstance(text, str) or not text:
        return _wrong("invalid", field)
    if len(text.encode()) > LONGEST:
        return _wrong("invalid", field, f"{kind} is too long")
    return _wrong("invalid", field) if kind == "phone" and not _PHONE.fullmatch(text) else None


def _wrong(reason: str, field: str, message: str | None = None) -> Row:
    return {"reason": reason, "field": field, "message": message or f"{field} is {reason}"}


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return None
