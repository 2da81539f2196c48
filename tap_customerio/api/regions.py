"""Which region's host takes the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from tap_customerio import errors
from tap_customerio.api.transport import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_customerio.api.transport import RawResponse


def find_region(bases: Iterable[str], probe: Callable[[str], RawResponse]) -> str:
    """The first host that answers, else the only one that does not send the key away.

    The wrong host may refuse the key (401) or redirect it; one that forbids the probe (403) may be
    the right one.

    Raises:
        TransientError: When no host answers, and one of them may do so later.
        TapError: When it cannot be known.
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
