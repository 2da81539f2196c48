"""What it means that the App API does not answer a request, by what it says to others."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import requests

from tap_customerio import problems
from tap_customerio.answers import decode
from tap_customerio.transport import PassingFault, Question

if TYPE_CHECKING:
    from tap_customerio.patience import Health
    from tap_customerio.settings import Settings
    from tap_customerio.transport import Reply

HOSTS = {"us": "https://api.customer.io", "eu": "https://api-eu.customer.io"}
"""Base addresses of the App API by region."""

PROBE = "/v1/workspaces"
"""A small answer that every key may ask for."""

PROBES = (Question("GET", PROBE), Question("GET", "/v1/newsletters", {"limit": 1}))
"""Small answers that show whether the API answers at all; the second if the first is in doubt."""


class Explaining:
    """The part of a client that tells faults of one address from those of the key or the API."""

    probes: ClassVar[tuple[Question, ...]] = PROBES
    health: Health
    _settings: Settings
    _base: str | None

    def _send(self, base: str, question: Question) -> Reply:
        """Send one request."""
        raise NotImplementedError

    def _clock(self, reply: Reply, question: Question) -> int:
        """The API's clock at an answer."""
        raise NotImplementedError

    def _is_timely(self, reply: Reply) -> bool:
        """Whether an answer is of now."""
        raise NotImplementedError

    def _explain(self, reply: Reply, question: Question) -> problems.Problem:
        status, request = reply.status, question.told
        if status == requests.codes.not_found:
            return problems.Gone(request)
        if status == requests.codes.proxy_authentication_required:
            return problems.proxy_login(self._where())
        if status == requests.codes.unauthorized:
            return self._explain_unauthorized(question)
        if status == requests.codes.forbidden:
            self._clock(reply, question)
            return self._other_region or problems.forbidden(request, status)
        if reply.redirects:
            return self._explain_redirect(question, status)
        is_filtered = self._settings.customers_filter and request == "POST /v1/customers"
        return problems.bad_filter(status) if is_filtered else problems.Refused(request, status)

    def _explain_redirect(self, question: Question, status: int) -> problems.Problem:
        if self._answers_others(question):
            return problems.redirected_alone(question.told, status)
        return self._other_region or problems.redirected(question.told, status)

    def _explain_unauthorized(self, question: Question) -> problems.Problem:
        """A key that is good for other requests is refused for this one alone."""
        if self._answers_others(question):
            return problems.forbidden(question.told, requests.codes.unauthorized)
        return self._other_region or problems.unauthorized(self._where())

    def _explain_clock(self, question: Question, date: float | None) -> problems.Problem:
        if self._answers_others(question):
            return problems.wrong_clock(question.told)
        where = self._where()
        return problems.no_date(where) if date is None else problems.clock_went_back(where)

    def _answers_others(self, question: Question) -> bool:
        return self.health.answers_others(time.monotonic(), question.path)

    def explain_absent(self, reason: str, seconds: float) -> problems.Problem:
        """What to say where no server answers as this API does."""
        return problems.absent(self._where(), reason, seconds)

    @cached_property
    def _other_region(self) -> problems.Problem | None:
        """What to say if it is another region that takes the key; asked for once."""
        others = {} if self._settings.api_url or self.health.has_answered else HOSTS
        for region, base in others.items():
            if base != self._base and self._takes_key(base, PROBES[0]):
                return problems.other_region(self._settings.region, region)
        return None

    def _answers(self, path: str) -> bool:
        """Whether anything but this path is answered; a key may read too little for the probe."""
        probe = next((probe for probe in self.probes if probe.path != path), None)
        if probe is None or self._base is None:
            return False
        return self._takes_key(self._base, probe) is not False

    def _takes_key(self, base: str, probe: Question) -> bool | None:
        """Whether the probe is answered; None if the key may not read it."""
        try:
            reply = self._send(base, probe)
            if reply.status == requests.codes.forbidden:
                return None
            return reply.ok and self._is_timely(reply) and decode(reply.content) is not None
        except (PassingFault, problems.Problem, TypeError, ValueError, RecursionError):
            return False

    def _where(self) -> str:
        return self._base or " and ".join(HOSTS.values())
