"""Distribution of tests to the workers of pytest-xdist, and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

MODELS = "models"


def longest_first(items: list[pytest.Item]) -> None:
    """Start with what takes minutes, so that all workers end together."""
    ranks: dict[str, int] = {}
    for item in items:
        rank = 1 if item.get_closest_marker("e2e") else 2 if item.get_closest_marker("slow") else 3
        scope = scope_of(item.nodeid)
        ranks[scope] = min(0 if scope == MODELS else rank, ranks.get(scope, rank))
    items.sort(key=lambda item: ranks[scope_of(item.nodeid)])


def scope_of(nodeid: str) -> str:
    """The tests that one worker runs: a module, or all tests of the models: dbt starts slowly."""
    module = nodeid.partition("::")[0]
    return MODELS if module.startswith("tests/transform/") else module


class ByModule(LoadScopeScheduling):  # type: ignore[misc]
    """A scope stays on one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
