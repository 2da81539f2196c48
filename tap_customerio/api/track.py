"""The Track API: whose its credentials are, and how people are erased."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from requests.auth import HTTPBasicAuth

from tap_customerio import errors
from tap_customerio.api.client import Client, quoted
from tap_customerio.api.diagnosis import PROBE
from tap_customerio.ratelimit.limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_customerio.api.transport import RequestSpec
    from tap_customerio.settings import Settings

HOSTS = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}
"""Base addresses of the Track API by region."""

Action = Literal["delete", "suppress", "unsuppress"]


class TrackAccount(NamedTuple):
    """Whose the credentials of both APIs are; `stated` is the workspace the operator named."""

    region: str
    workspace_id: int
    workspace: str
    workspaces: int
    stated: int | None = None

    @property
    def is_proven(self) -> bool:
        """Whether both are of the same workspace: the only one, or the one that was named."""
        return self.workspaces == 1 or self.stated == self.workspace_id


class Track(Client):
    """The Track API of one workspace, asked with the same patience as the App API."""

    give_up_after = 120.0
    probes: ClassVar[tuple[RequestSpec, ...]] = ()

    def __init__(self, settings: Settings, region: str) -> None:
        """Remember the settings; nothing is sent yet."""
        pair = HTTPBasicAuth(settings.site_id or "", settings.track_api_key or "")
        super().__init__(settings, pair, RateLimiter(settings.requests_per_second))
        self.place = self._base = settings.track_api_url or HOSTS[region]

    def owner(self) -> tuple[str, object]:
        """Region and workspace id of the credentials; either region's host answers for both.

        Raises:
            TapError: When they are refused, or nothing sensible answers.
        """
        answer = self.fetch("GET", "/api/v1/accounts/region")
        region, workspace = answer.get("region"), answer.get("environment_id")
        if not isinstance(region, str):
            raise errors.api.track_unreachable(self.place, "status 200")
        return region, workspace

    def act(self, action: Action, kind: str, value: str) -> None:
        """Delete, suppress or free whoever has an identifier; accepted also if no one has it.

        Raises:
            BadRequestError: When this kind identifies no one in the workspace.
            ValueError: When the identifier is empty; nothing is sent.
        """
        if not value:
            raise ValueError("an empty identifier could mean anybody")
        if kind == "cio_id":  # documented with its prefix in paths of version 1 only
            path = f"/api/v1/customers/cio_{quoted(value)}"
            method, path = ("DELETE", path) if action == "delete" else ("POST", f"{path}/{action}")
            self.fetch(method, path)
        else:  # version 1 would guess the kind: an id with an @ would be someone's address
            body = {"type": "person", "action": action, "identifiers": {kind: value}}
            self.fetch("POST", "/api/v2/entity", body=body)

    def change(self, cio_id: str, attributes: Mapping[str, Any]) -> None:
        """Set attributes of a person who is there; accepted also if they are not.

        Raises:
            ValueError: When the identifier is empty; nothing is sent.
        """
        if not cio_id:
            raise ValueError("an empty identifier could mean anybody")
        body = {"_update": True, **attributes}  # which keeps the API from making a new person
        self.fetch("PUT", f"/api/v1/customers/cio_{quoted(cio_id)}", body=body)

    def _explain_unauthorized(self, _: RequestSpec) -> errors.TapError:
        return errors.api.track_unauthorized(self.place)

    def explain_absent(self, reason: str, _: float) -> errors.TapError:
        """Another sentence, for another address."""
        return errors.api.track_unreachable(self.place, reason)

    @cached_property
    def _other_region(self) -> None:
        """The region is known from the App API."""


def connect(
    settings: Settings, client: Client, workspace: int | None = None
) -> tuple[Track, TrackAccount]:
    """The Track API, once its credentials have proved to be of the App API key's account.

    Raises:
        TapError: When there are none, or they are refused, or of another region or account, or not
            of the workspace that was named.
    """
    if not settings.site_id:
        raise errors.api.no_track()
    expected = client.region or (None if settings.region == "auto" else settings.region)
    track = Track(settings, expected or "us")
    track.give_up_after = min(track.give_up_after, client.give_up_after)
    region, owner = track.owner()
    if expected not in {region, None}:
        raise errors.api.track_elsewhere(f"region {region!r}, app_api_key to {expected!r}")
    names = {row["id"]: str(row.get("name")) for row in client.listing(PROBE, "workspaces")}
    if not isinstance(owner, int) or owner not in names:
        raise errors.api.track_elsewhere(f"workspace {owner} of another account")
    if workspace not in {owner, None}:
        raise errors.api.track_elsewhere(f"workspace {owner}, not to {workspace} of --workspace")
    return track, TrackAccount(region, owner, names[owner], len(names), workspace)
