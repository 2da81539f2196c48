"""Helpers for tests of erasures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from privacy_case import PrivacyCase
    from terminal import Screen


REGION = "/api/v1/accounts/region"


def acts(case: PrivacyCase) -> list[tuple[str, str]]:
    """Requests to the Track API that change something."""
    return [(call.method, call.path) for call in case.box.track_calls if call.path != REGION]


def refused(screen: Screen, case: PrivacyCase, reason: str) -> None:
    """Assert that no person was looked up."""
    assert screen.code == 1
    assert reason in " ".join(screen.err.split())
    assert acts(case) == []
    assert "/v1/customers" not in case.box.requests_by_path()


def blocking_evidence(case: PrivacyCase) -> set[str | None]:
    """The evidence about the identifiers of the only person."""
    [person] = case.read("evidence.json")["people"]
    return {each["blocked"] for each in person["identifiers"]}
