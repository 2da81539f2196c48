"""Finds the region whose host accepts the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from tap_customerio import errors
from tap_customerio.api.transport import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_customerio.api.transport import RawResponse


def find_region(bases: Iterable[str], probe: Callable[[str], RawResponse]) -> str:
    """The first host that responds, or else the only one that does not reject the key.

    The wrong host may reject the key (401) or redirect. A 403 may still come from the right one.

    Raises:
        TransientError: No host responds, and one of them may respond later.
        TapError: The region is ambiguous.
    """
    found: dict[str, RawResponse | TransientError] = {}
    for base in bases:
        found[base] = _asked(base, probe)
        if isinstance(response := found[base], tuple) and response.ok:
            return base
    for fault in found.values():
        if isinstance(fault, TransientError):
            raise fault
    likely = [base for base, response in found.items() if not _sends_away(response)]
    if len(likely) == 1:
        return likely[0]
    where = " and ".join(found)
    raise errors.api.unknown_region(where) if likely else errors.api.unauthorized(where)


def _asked(base: str, probe: Callable[[str], RawResponse]) -> RawResponse | TransientError:
    try:
        return probe(base)
    except TransientError as fault:
        return fault


def _sends_away(response: RawResponse | TransientError) -> bool:
    return not isinstance(response, TransientError) and (
        response.redirects or response.status == requests.codes.unauthorized
    )
