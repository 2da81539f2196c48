"""The classes of errors, and a sentence for any exception."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from singer_sdk.exceptions import ConfigValidationError

from tap_customerio.wording import duration

if TYPE_CHECKING:
    from typing_extensions import Self


class TapError(Exception):
    """Ends the run with one sentence and no traceback."""

    @property
    def brief(self) -> str:
        """A shorter form for lists of errors."""
        return str(self)


class FatalError(TapError):
    """Concerns the whole run: all other streams would fail too."""


class RequestError(TapError):
    """One request fails; others succeed."""

    def __init__(self, sentence: str, request: str, reason: str) -> None:
        super().__init__(sentence)
        self.request = request
        self._reason = reason

    @property
    def brief(self) -> str:
        """The request and its failure."""
        return f"{self.request} ({self._reason})"

    def about(self, row: str) -> Self:
        """The same error, with a short name for the requested row."""
        self._reason = f"{row}: {self._reason}"
        return self


class NotFoundError(RequestError):
    """404: the object does not exist, or was deleted after it was listed."""

    def __init__(self, request: str) -> None:
        super().__init__(
            f"The API has nothing at {request} (404): it was deleted in the meantime, or "
            "api_url is wrong.",
            request,
            "status 404",
        )


class ForbiddenError(RequestError):
    """The key may not read this (403)."""


class BadRequestError(RequestError):
    """The API rejects the request (400 and similar)."""

    def __init__(self, request: str, status: int) -> None:
        super().__init__(
            f"The API refused {request} with status {status}, which this tap does not "
            "expect: please report it.",
            request,
            f"status {status}",
        )
        self.status = status


class RetriesExhaustedError(RequestError):
    """One request keeps failing, while others succeed."""

    def __init__(self, request: str, reason: str, seconds: float) -> None:
        """Store the last failure, and the duration of the retries."""
        super().__init__(
            f"Gave up on {request} after {duration(seconds)}, while the API responded to other "
            f"requests: {reason}. The next run requests it again; if it fails every time, "
            "please report it to Customer.io.",
            request,
            reason,
        )


def format_error(error: Exception) -> str:
    """Format any exception that ends a run as one sentence, without account data."""
    if isinstance(error, TapError):
        return str(error)
    if isinstance(error, ConfigValidationError):
        return " ".join(error.errors)
    if isinstance(error, OSError) and error.strerror:
        return f"Cannot use {error.filename or 'a file'}: {error.strerror}."
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"Unexpected {type(error).__name__} in {last.name}, line {last.lineno}: please report it, "
        "with what TAP_CUSTOMERIO_DEBUG=1 shows, after checking that it contains "
        "nothing private."
    )
