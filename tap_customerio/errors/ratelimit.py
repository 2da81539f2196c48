"""Sentences about shared budgets."""

from __future__ import annotations

from tap_customerio.errors.base import FatalError
from tap_customerio.errors.extras import needs_extra
from tap_customerio.wording import duration


def no_file_budget(path: str, reason: str) -> FatalError:
    """File locks do not work on this system."""
    return FatalError(
        f"The file {path}, through which processes share the request budget "
        f"(rate_limit_url), cannot be used ({reason}): choose a folder in which all of them "
        "may write."
    )


def missing_redis() -> FatalError:
    """The extra is not installed, or does not exist for this system."""
    return FatalError(needs_extra("rate_limit_url", "redis"))


def invalid_redis_url(place: str, option: str | None = None) -> FatalError:
    """Invalid options in the URL."""
    if option:
        return FatalError(
            f"rate_limit_url has an option {option} for {place} that is unknown or has a bad "
            "value: correct or remove it."
        )
    return FatalError(
        f"rate_limit_url names {place}, but the rest is not valid: write redis://host:6379/0."
    )


def no_redis(place: str, reason: str, seconds: float) -> FatalError:
    """Redis cannot be reached, so that other processes' requests are unknown."""
    return FatalError(
        f"The Redis of rate_limit_url at {place} cannot be used ({reason}), tried for up to "
        f"{duration(seconds)}: start it, or correct the setting, and run again to "
        "continue. Without it the tap sends no requests, because other processes share the "
        "budget."
    )
