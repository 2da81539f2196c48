"""Explains failed requests by comparing them with other requests."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import requests

from tap_customerio import errors
from tap_customerio.api.responses import decode
from tap_customerio.api.transport import RequestSpec, TransientError

if TYPE_CHECKING:
    from tap_customerio.api.retrying import Health
    from tap_customerio.api.transport import RawResponse
    from tap_customerio.settings import Settings

HOSTS = {"us": "https://api.customer.io", "eu": "https://api-eu.customer.io"}
"""Base addresses of the App API by region."""

PROBE = "/v1/workspaces"
"""A small response that every key may read."""

PROBES = (RequestSpec("GET", PROBE), RequestSpec("GET", "/v1/newsletters", {"limit": 1}))
"""Small responses that show whether the API responds; the second if the first path fails."""


class Diagnosis:
    """Distinguishes failures of one path from failures of the key or the whole API."""

    probes: ClassVar[tuple[RequestSpec, ...]] = PROBES
    health: Health
    _settings: Settings
    _base: str | None

    def _send(self, base: str, spec: RequestSpec) -> RawResponse:
        """Send one request."""
        raise NotImplementedError

    def _time_of(self, response: RawResponse, spec: RequestSpec) -> int:
        """The API's clock at a response."""
        raise NotImplementedError

    def _is_timely(self, response: RawResponse) -> bool:
        """Whether a response is current."""
        raise NotImplementedError

    def _explain(self, response: RawResponse, spec: RequestSpec) -> errors.TapError:
        status, request = response.status, spec.safe_label
        if status == requests.codes.not_found:
            return errors.NotFoundError(request)
        if status == requests.codes.proxy_authentication_required:
            return errors.api.proxy_login(self._where())
        if status == requests.codes.unauthorized:
            return self._explain_unauthorized(spec)
        if status == requests.codes.forbidden:
            self._time_of(response, spec)
            return self._other_region or errors.api.forbidden(request, status)
        if response.redirects:
            return self._explain_redirect(spec, status)
        is_filtered = self._settings.customers_filter and request == "POST /v1/customers"
        return (
            errors.api.bad_filter(status)
            if is_filtered
            else errors.BadRequestError(request, status)
        )

    def _explain_redirect(self, spec: RequestSpec, status: int) -> errors.TapError:
        if self._others_succeed(spec):
            return errors.api.redirected_alone(spec.safe_label, status)
        return self._other_region or errors.api.redirected(spec.safe_label, status)

    def _explain_unauthorized(self, spec: RequestSpec) -> errors.TapError:
        """Explain a 401; the key may be valid for other requests."""
        if self._others_succeed(spec):
            return errors.api.forbidden(spec.safe_label, requests.codes.unauthorized)
        return self._other_region or errors.api.unauthorized(self._where())

    def _explain_clock(self, spec: RequestSpec, date: float | None) -> errors.TapError:
        if self._others_succeed(spec):
            return errors.api.wrong_clock(spec.safe_label)
        where = self._where()
        return errors.api.no_date(where) if date is None else errors.api.clock_went_back(where)

    def _others_succeed(self, spec: RequestSpec) -> bool:
        return self.health.others_succeed(time.monotonic(), spec.path)

    def explain_absent(self, reason: str, seconds: float) -> errors.TapError:
        """The error if no server responds like this API."""
        return errors.api.absent(self._where(), reason, seconds)

    @cached_property
    def _other_region(self) -> errors.TapError | None:
        """The error if the key belongs to another region; checked once."""
        others = {} if self._settings.api_url or self.health.has_succeeded else HOSTS
        for region, base in others.items():
            if base != self._base and self._takes_key(base, PROBES[0]):
                return errors.api.other_region(self._settings.region, region)
        return None

    def _responds(self, path: str) -> bool:
        """Whether the API responds to other paths; a key may lack permission for the probe."""
        probe = next((probe for probe in self.probes if probe.path != path), None)
        if probe is None or self._base is None:
            return False
        return self._takes_key(self._base, probe) is not False

    def _takes_key(self, base: str, probe: RequestSpec) -> bool | None:
        """Whether the probe succeeds; None if the key lacks permission for it."""
        try:
            response = self._send(base, probe)
            if response.status == requests.codes.forbidden:
                return None
            return (
                response.ok and self._is_timely(response) and decode(response.content) is not None
            )
        except (TransientError, errors.TapError, TypeError, ValueError, RecursionError):
            return False

    def _where(self) -> str:
        return self._base or " and ".join(HOSTS.values())
