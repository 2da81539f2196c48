"""Errors in one sentence each: the setting, its value, and what to do.

No sentence quotes a key, a response body or a person. The classes:

    TapError                    ends the stream or the command with one sentence and no traceback
        FatalError              concerns the whole run
        RequestError            one request fails; others succeed
            NotFoundError       404
            ForbiddenError      403, or 401 for this request alone
            BadRequestError     400 and other refusals
            RetriesExhaustedError   one request keeps failing

The sentences are in one module per area: `errors.api.unauthorized(place)` is the error to raise.
"""

from tap_customerio.errors import (
    api,
    backfill,
    commands,
    dagster,
    extras,
    inputs,
    names,
    privacy,
    ratelimit,
    stream_maps,
    sync,
)
from tap_customerio.errors.base import (
    BadRequestError,
    FatalError,
    ForbiddenError,
    NotFoundError,
    RequestError,
    RetriesExhaustedError,
    TapError,
    format_error,
)

__all__ = [
    "BadRequestError",
    "FatalError",
    "ForbiddenError",
    "NotFoundError",
    "RequestError",
    "RetriesExhaustedError",
    "TapError",
    "api",
    "backfill",
    "commands",
    "dagster",
    "extras",
    "format_error",
    "inputs",
    "names",
    "privacy",
    "ratelimit",
    "stream_maps",
    "sync",
]
