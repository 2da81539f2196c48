"""The client for plans, which caches responses for all shards."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tap_customerio.api.client import Client
from tap_customerio.api.clock import Clock

if TYPE_CHECKING:
    from typing_extensions import Self

    from tap_customerio.api.transport import RawResponse, RequestSpec
    from tap_customerio.settings import Settings


class ProbingClient(Client):
    """Sends each request once; `requests` counts what the shards would send themselves.

    Each shard uses a client from `uncached`, which shares the cache.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.sent: Counter[str] = Counter()
        self._responses: dict[str, RawResponse] = {}

    def uncached(self) -> Self:
        """A client for one shard, which requests the present itself."""
        again = super().uncached()
        again._clock = Clock()  # noqa: SLF001 - its own
        return again

    def _send(self, base: str, spec: RequestSpec) -> RawResponse:
        key = repr((base, spec))
        if (response := self._responses.get(key)) is not None:
            self._count_request()
            return response
        response = super()._send(base, spec)
        with self._lock:
            self.sent[spec.path] += 1
            if response.ok:
                self._responses[key] = response
        return response
