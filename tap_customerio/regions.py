"""Which region's host takes the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from tap_customerio import problems
from tap_customerio.transport import PassingFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_customerio.transport import Reply


def find_region(bases: Iterable[str], probe: Callable[[str], Reply]) -> str:
    """The first host that answers, else the only one that does not send the key away.

    The wrong host may refuse the key (401) or redirect it; one that forbids the probe (403) may be
    the right one.

    Raises:
        PassingFault: When no host answers, and one of them may do so later.
        Problem: When it cannot be known.
    """
    found: dict[str, Reply | PassingFault] = {}
    for base in bases:
        found[base] = _asked(base, probe)
        if isinstance(reply := found[base], tuple) and reply.ok:
            return base
    for fault in found.values():
        if isinstance(fault, PassingFault):
            raise fault
    likely = [base for base, reply in found.items() if not _sends_away(reply)]
    if len(likely) == 1:
        return likely[0]
    where = " and ".join(found)
    raise problems.unknown_region(where) if likely else problems.unauthorized(where)


def _asked(base: str, probe: Callable[[str], Reply]) -> Reply | PassingFault:
    try:
        return probe(base)
    except PassingFault as fault:
        return fault


def _sends_away(reply: Reply | PassingFault) -> bool:
    return not isinstance(reply, PassingFault) and (
        reply.redirects or reply.status == requests.codes.unauthorized
    )
