"""The Track API: the workspace of its credentials, and changes to people."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from requests.auth import HTTPBasicAuth

from tap_customerio import errors
from tap_customerio.api.client import Client, quoted
from tap_customerio.api.diagnosis import PROBE
from tap_customerio.ratelimit.limiter import RateLimiter
from tap_customerio.settings_checks import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_customerio.api.transport import RequestSpec
    from tap_customerio.settings import Settings

HOSTS = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}
"""Base addresses of the Track API by region."""

Action = Literal["delete", "suppress", "unsuppress"]


class TrackAccount(NamedTuple):
    """The account of both keys; `stated` is the workspace named in the settings."""

    region: str
    workspace_id: int
    workspace: str
    workspaces: int
    stated: int | None = None

    @property
    def is_proven(self) -> bool:
        """Whether both belong to one workspace: the account's only one, or the stated one."""
        return self.workspaces == 1 or self.stated == self.workspace_id


class Track(Client):
    """The Track API of one workspace, with the same retries as the App API."""

    give_up_after = 120.0
    probes: ClassVar[tuple[RequestSpec, ...]] = ()

    def __init__(self, settings: Settings, region: str) -> None:
        """Store the settings; sends no request.

        Raises:
            TapError: The App API is on this machine, and the Track API's address is not set.
        """
        if not settings.track_api_url and settings.api_url and is_loopback(settings.api_url):
            raise errors.api.track_not_local(settings.api_url, HOSTS[region])
        auth = HTTPBasicAuth(settings.site_id or "", settings.track_api_key or "")
        super().__init__(settings, auth, RateLimiter(settings.requests_per_second))
        self.place = self._base = settings.track_api_url or HOSTS[region]

    def owner(self) -> tuple[str, object]:
        """Region and workspace id of the credentials; the hosts of both regions know them.

        Raises:
            TapError: The credentials are rejected, or the response is invalid.
        """
        response = self.fetch("GET", "/api/v1/accounts/region")
        region, workspace = response.get("region"), response.get("environment_id")
        if not isinstance(region, str):
            raise errors.api.track_unreachable(self.place, "status 200")
        return region, workspace

    def act(self, action: Action, kind: str, value: str) -> None:
        """Delete, suppress or unsuppress a person by an identifier; succeeds also for unknown ones.

        Raises:
            BadRequestError: This kind of identifier does not identify people in the workspace.
            ValueError: The identifier is empty; sends no request.
        """
        if not value:
            raise ValueError("an empty identifier could mean anyone")
        if kind == "cio_id":  # its prefix is documented for paths of version 1 only
            path = f"/api/v1/customers/cio_{quoted(value)}"
            method, path = ("DELETE", path) if action == "delete" else ("POST", f"{path}/{action}")
            self.fetch(method, path)
        else:  # version 1 guesses the kind, and would take an id with an @ for an e-mail address
            body = {"type": "person", "action": action, "identifiers": {kind: value}}
            self.fetch("POST", "/api/v2/entity", body=body)

    def change(self, cio_id: str, attributes: Mapping[str, Any]) -> None:
        """Set attributes of an existing person; succeeds also for unknown ones.

        Raises:
            ValueError: The identifier is empty; sends no request.
        """
        if not cio_id:
            raise ValueError("an empty identifier could mean anyone")
        body = {"_update": True, **attributes}  # does not create a person
        self.fetch("PUT", f"/api/v1/customers/cio_{quoted(cio_id)}", body=body)

    def _explain_unauthorized(self, _: RequestSpec) -> errors.TapError:
        return errors.api.track_unauthorized(self.place)

    def explain_absent(self, reason: str, _: float) -> errors.TapError:
        """The error if no server responds like the Track API."""
        return errors.api.track_unreachable(self.place, reason)

    @cached_property
    def _other_region(self) -> None:
        """None: the region is known from the App API."""


def connect(
    settings: Settings, client: Client, workspace: int | None = None
) -> tuple[Track, TrackAccount]:
    """The Track API, after a check that its credentials belong to the App API key's account.

    Raises:
        TapError: The credentials are missing or rejected, or belong to another region, account or
            workspace.
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
