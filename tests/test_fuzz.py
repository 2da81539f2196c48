"""Random responses close to the contract, for every stream: valid records or a clear error."""

from __future__ import annotations

import json
import os
from random import Random
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import requests
from contract_api import UNTOLD, Api
from contract_reading import validator
from harness import run_tap
from hypothesis import strategies as st

from tap_customerio.api import pagination
from tap_customerio.api.client import Client
from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("TAP_CUSTOMERIO_FUZZ_EXAMPLES", "3"))
"""Responses for each stream, always the same ones; thousands find more and take longer."""

MANY = 150
"""Requests after which responses follow the contract; ten times as many are a hang."""

JUNK: tuple[Any, ...] = (
    *(None, None, True, False, 0, -1, 1.5, 2**53 + 1, 2**63, 2**70, float("nan"), float("inf")),
    *("", "text", "12", "-0.5", "..", "a/b", "2026-01-01T00:00:00Z", "0001-01-01", "9" * 30),
    *("half \ud83d of a pair", "N\0UL", [], [None], [[1]], [{}], {}, {"id": {}}, {"": None}),
)


COMPONENTS = {
    "components": [{"id": "c-1", "name": "Button", "tag": "x-button", "created": 1, "updated": 2}],
    "meta": {"pagination": {"page": 1, "limit": 10_000, "total": 1}},
}
"""The only response without an example in the contracts."""


class FuzzedApi(Api):
    """Responds with the contract's examples, changed at random but reproducibly."""

    def __init__(self, seed: int) -> None:
        super().__init__(example=seed % 2)
        self._seed = seed
        self._rate = 2.0 ** -(1 + seed % 7)
        self._requests = 0

    def body(self, body: Any, request: requests.PreparedRequest) -> bytes:
        """The changed response as JSON."""
        self._requests += 1
        assert self._requests < 10 * MANY, "it sends requests forever"
        if self._requests < MANY:
            chance = Random(repr((self._seed, request.url, request.body)))
            body = self._changed(body, chance)
        return json.dumps(body).encode()

    def _changed(self, value: Any, chance: Random) -> Any:
        if chance.random() < self._rate / 4:
            return chance.choice(JUNK)
        if isinstance(value, dict):
            kept = value.items() if chance.random() >= self._rate else [*value.items()][:-1]
            return {name: self._changed(member, chance) for name, member in kept}
        if isinstance(value, list):
            items = [self._changed(item, chance) for item in value]
            return items * 2 if chance.random() < self._rate / 4 else items
        return value


@pytest.fixture(scope="module", autouse=True)
def _impatient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(UNTOLD, "/v1/design_studio/components", COMPONENTS)
        patch.setattr(Client, "longest_delay", 0.0)
        patch.setattr(Client, "give_up_after", 0.02)
        patch.setattr(pagination, "EMPTY_PAGES", 20)
        yield


@pytest.mark.parametrize("stream", sorted(stream_class.name for stream_class in all_streams()))
@hypothesis.settings(max_examples=EXAMPLES, derandomize=True, database=None)
@hypothesis.given(seed=st.integers(0, 2**32))
def test_any_response_becomes_valid_records_or_a_clear_error(stream: str, seed: int) -> None:
    config = {
        "app_api_key": "none",
        "api_url": "https://contract.test",
        "requests_per_second": 100_000,
        "start_date": "2026-08-01",
        "esp_suppression_domains": ["example.org"] if seed % 3 else [],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.adapters.HTTPAdapter, "send", FuzzedApi(seed).method())
        output = run_tap(config, streams=[stream], fails=None)
    check = validator(output.schemas[stream])
    for record in output.records[stream]:
        check.validate(record)
