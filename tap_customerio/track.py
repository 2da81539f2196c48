"""The Track API, as far as its credentials can be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import requests

from tap_customerio import problems

if TYPE_CHECKING:
    from tap_customerio.settings import Settings

HOSTS = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}
"""Base addresses of the Track API by region."""


class Account(NamedTuple):
    """Whose credentials they are."""

    region: str
    workspace_id: int | None


def account(settings: Settings, region: str) -> Account:
    """Ask whose site_id and track_api_key are; either region's host answers for both regions.

    Raises:
        Problem: When they are refused, or nothing sensible answers.
    """
    place = settings.track_api_url or HOSTS[region]
    try:
        response = requests.get(
            f"{place}/api/v1/accounts/region",
            auth=(settings.site_id or "", settings.track_api_key or ""),
            headers={"User-Agent": settings.user_agent},
            timeout=settings.request_timeout,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise problems.track_unreachable(place, type(error).__name__) from None
    if response.status_code == requests.codes.unauthorized:
        raise problems.track_unauthorized(place)
    try:
        answer = response.json() if response.ok else {}
        return Account(str(answer["region"]), answer.get("environment_id"))
    except (KeyError, TypeError, AttributeError, ValueError):
        raise problems.track_unreachable(place, f"status {response.status_code}") from None
