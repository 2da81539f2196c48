"""The package of an access request: data, a readable page, and a manifest."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from tap_customerio.privacy.access import CAVEATS, PersonalData
from tap_customerio.privacy.evidence import (
    COMPLETE,
    INCOMPLETE,
    NOT_FOUND,
    Outcome,
    described,
    digest,
    utc_now,
)
from tap_customerio.privacy.html_report import html_report
from tap_customerio.privacy.identity import resolve
from tap_customerio.settings import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_customerio.api.client import Client
    from tap_customerio.privacy.folder import Folder
    from tap_customerio.privacy.identity import Match, Request

FILES = ("report.json", "report.html")


def write_access(  # noqa: PLR0913 - the request, its data, and the folder
    client: Client,
    request: Request,
    folder: Folder,
    key: bytes,
    *,
    on_match: Callable[[Match], None],
    also: Sequence[tuple[str, str]] = (),
    controller: str | None = None,
) -> Outcome:
    """Read all data, and write the package; calls `on_match` with the matching people.

    `also` holds former identifiers of the people, by kind.

    Raises:
        TapError: People cannot be looked up, or the package cannot be written.
    """
    started = utc_now()
    match = resolve(client, request)
    on_match(match)
    personal_data = PersonalData(client)
    personal_data.read(request, match.people, also)
    outcome = INCOMPLETE if personal_data.not_read else COMPLETE if match.people else NOT_FOUND
    report = {**_report(request, personal_data), "controller": controller}
    folder.write_json("report.json", report)
    folder.write("report.html", html_report(report))
    manifest = {
        "format": f"{NAME} privacy manifest 1",
        "tap_version": version(NAME),
        "request": described(key, *request),
        "region": client.region,
        "started_at": started,
        "finished_at": utc_now(),
        "outcome": outcome,
        **_contents(key, match, personal_data),
        "files": [folder.described(name) for name in FILES],
    }
    folder.write_json("manifest.json", manifest)
    why = "; ".join(f"{each['what']}: {each['why']}" for each in personal_data.not_read)
    return Outcome(outcome, len(match.people), why)


def _contents(key: bytes, match: Match, personal_data: PersonalData) -> dict[str, Any]:
    """The contents of the package, without names of people."""
    return {
        "people": [digest(key, "cio_id", person.cio_id) for person in match.people],
        "not_included": [digest(key, "cio_id", other.cio_id) for other in match.others],
        "counts": personal_data.counts(),
        "not_read": [_without_id(key, each) for each in personal_data.not_read],
        "caveats": list(CAVEATS),
    }


def _report(request: Request, personal_data: PersonalData) -> dict[str, Any]:
    return {
        "format": f"{NAME} privacy report 1",
        "created_at": utc_now(),
        "request": {"type": request.kind, "value": request.value},
        "people": personal_data.people,
        "provider_suppressions": personal_data.suppressions,
        "not_read": personal_data.not_read,
        "caveats": list(CAVEATS),
    }


def _without_id(key: bytes, each: dict[str, str]) -> dict[str, str]:
    reported = {name: each[name] for name in ("what", "why")}
    return (
        {**reported, "person": digest(key, "cio_id", each["cio_id"])}
        if "cio_id" in each
        else reported
    )
