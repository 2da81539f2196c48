"""Chooses the budget of a process: its own or a shared one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tap_customerio import errors
from tap_customerio.ratelimit.budget import Budget, FileBudget

if TYPE_CHECKING:
    from tap_customerio.settings import Settings


def budget_of(settings: Settings, patience: float) -> Budget:
    """The budget of a workspace's App API key; a shared one is named by a hash of the key.

    Raises:
        TapError: `rate_limit_url` cannot be used here.
    """
    if not settings.rate_limit_url:
        return Budget()
    name = hashlib.blake2b(settings.app_api_key.encode(), digest_size=16).hexdigest()
    url = urlsplit(settings.rate_limit_url)
    if url.scheme == "file":
        path = Path(unquote(url.path)) / name
        if os.name == "nt":
            raise errors.ratelimit.no_file_budget(str(path), "not on Windows")
        return FileBudget(path)
    try:
        from tap_customerio.ratelimit.redis_budget import RedisBudget  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError:
        raise errors.ratelimit.missing_redis() from None
    return RedisBudget(settings.rate_limit_url, f"tap-customerio:{name}", patience)
