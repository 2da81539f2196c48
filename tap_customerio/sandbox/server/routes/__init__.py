"""The endpoints, as functions of a workspace and a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio.sandbox.server.routes import (
    activities,
    consents,
    design_studio,
    metrics,
    objects,
    people,
    segments,
    senders,
    track,
    workspace,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox.server.routes.request import ApiRequest

Route = tuple[str, str]
"""A method and a path."""

TRACK_ROUTES: dict[Route, Callable[[ApiRequest], Any]] = track.ROUTES
"""Routes of the Track API."""

ROUTES: dict[Route, Callable[[ApiRequest], Any]] = {
    **senders.ROUTES,
    **metrics.ROUTES,
    **people.ROUTES,
    **segments.ROUTES,
    **activities.ROUTES,
    **consents.ROUTES,
    **objects.ROUTES,
    **workspace.ROUTES,
    **design_studio.ROUTES,
}
