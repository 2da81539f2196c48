"""The model reference is complete and matches the dbt package."""

from __future__ import annotations

import model_reference


def test_the_reference_is_generated_from_the_models() -> None:
    renew = "renew it: python tests/model_reference.py"
    assert model_reference.PAGE.read_text() == model_reference.text(), renew


def test_every_mart_and_column_is_described() -> None:
    models = {model["name"]: model for model in model_reference.marts()}
    assert models.keys() == {path.stem for path in (model_reference.MODELS / "marts").glob("*.sql")}
    for model in models.values():
        assert all(column["description"].strip() for column in model["columns"]), model["name"]
        assert any(
            {"unique", "not_null"} & set(map(str, column.get("data_tests", ())))
            for column in model["columns"]
        ), model["name"]


def test_streams_are_found_through_other_models() -> None:
    assert model_reference.streams_of("customerio__segment_growth") == {
        *("segments", "segment_counts")
    }
    assert {"messages", "campaigns", "esp_suppressions"} <= model_reference.streams_of(
        "customerio__attribution"
    )
