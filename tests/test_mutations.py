"""The mutations of `mutations.py` match the package and the tests."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from mutation_list import MUTATIONS, PACKAGE, Mutation

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_breaks_a_line_and_its_tests_exist(mutation: Mutation) -> None:
    assert mutation.tests
    source = (ROOT / PACKAGE / mutation.file).read_text()
    compile(mutation.apply(source), mutation.file, "exec")
    for test in mutation.tests:
        file, _, name = test.partition("[")[0].partition("::")
        assert not name or f"def {name}(" in (ROOT / file).read_text(), test


def test_mutations_have_unique_names() -> None:
    assert [name for name, count in Counter(m.name for m in MUTATIONS).items() if count > 1] == []


def test_a_mutation_of_a_missing_line_is_an_error() -> None:
    with pytest.raises(ValueError, match="has 0 times, not once"):
        MUTATIONS[0].apply("")
