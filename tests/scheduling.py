"""Distribution of tests to the workers of pytest-xdist, and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest


def longest_first(items: list[pytest.Item]) -> None:
    """Start with the modules that take minutes, so that both workers end together."""
    ranks: dict[str, int] = {}
    for item in items:
        rank = 0 if item.get_closest_marker("e2e") else 1 if item.get_closest_marker("slow") else 2
        module = item.nodeid.partition("::")[0]
        ranks[module] = min(rank, ranks.get(module, rank))
    items.sort(key=lambda item: ranks[item.nodeid.partition("::")[0]])


class ByModule(LoadScopeScheduling):  # type: ignore[misc]
    """A module stays on one worker, as do all tests of the models: dbt starts slowly."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return "models" if module.startswith("tests/transform/") else module
