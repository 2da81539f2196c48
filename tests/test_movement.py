"""Page tokens are positions: when a row disappears, later rows move up, and none may be skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from harness import Output, config_for, few_senders, run_tap

from tap_customerio.sandbox.server.shifting import Shift
from tap_customerio.streams import segments_and_consents
from tap_customerio.windows import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox import Sandbox

REGION = {"attribute": {"field": "region", "operator": "exists"}}
DOMAIN = "mail.example.org"
WORKSPACE = few_senders(
    since=parse("2026-03-28"), per_day=2, people=55, newsletters=7, objects_per_type=11
)


class Paged(NamedTuple):
    """A mirror, a list that it reads, and the number of rows on a page."""

    stream: str
    path: str
    key: str
    page: int = 10
    settings: dict[str, Any] = {}  # noqa: RUF012 - never changed


LISTS = [
    Paged("segment_memberships", "/v1/segments/1/membership", "identifiers"),
    Paged("opt_outs", "/v1/optouts", "optouts", 1),
    Paged("objects", "/v1/objects", "identifiers", 4),
    Paged("object_relationships", "/v1/objects", "identifiers", 4),
    Paged("object_relationships", "/v1/objects/1/*/relationships", "cio_relationships", 2),
    Paged("newsletters", "/v1/newsletters", "newsletters", 2),
    Paged("newsletter_variants", "/v1/newsletters", "newsletters", 2),
    Paged("sender_identities", "/v1/sender_identities", "sender_identities", 4),
    Paged("campaign_actions", "/v1/campaigns/*/actions", "actions", 2),
    Paged("assets", "/v1/assets", "assets", 10),
    Paged("design_studio_emails", "/v1/design_studio/emails", "emails", 5),
    Paged("customers", "/v1/customers", "identifiers", 8, {"customers_filter": REGION}),
    Paged(
        "subscription_preferences",
        *("/v1/customers", "identifiers", 8, {"customers_filter": REGION}),
    ),
    Paged("esp_suppressions", "/v1/esp/suppression/bounces", "suppressions"),
    Paged(
        "esp_suppressions",
        f"/v1/esp/domains/{DOMAIN}/suppression/bounces",
        *("suppressions", 5, {"esp_suppression_domains": [DOMAIN]}),
    ),
]

EACH_KIND = [
    next(pytest.param(case, marks=marks) for case in LISTS if case.stream == name)
    for name, marks in (
        *(("segment_memberships", pytest.mark.slow), ("objects", pytest.mark.slow), ("assets", ())),
        *(("customers", pytest.mark.slow), ("esp_suppressions", pytest.mark.slow)),
        *(("newsletters", pytest.mark.slow), ("newsletter_variants", pytest.mark.slow)),
        ("sender_identities", pytest.mark.slow),
    )
]
"""Lists with own pages, a shared list, numbered pages, a search, an offset, parents, two lists."""


def _read(
    make: Callable[..., Sandbox], case: Paged, kind: type[Shift] = Shift, **shift: Any
) -> tuple[set[tuple[Any, ...]], Output, Sandbox]:
    box = make(workspace=WORKSPACE)
    box.shift(kind(case.path, case.key, page=case.page, **shift))
    config = config_for(box, concurrency=1, customers_sync="full", **case.settings)
    output = run_tap(config, streams=[case.stream], full_table=[case.stream])
    keys = output.keys[case.stream]
    rows = {tuple(row[key] for key in keys) for row in output.records[case.stream]}
    return rows, output, box


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments_and_consents, "_SUPPRESSED", 10)
    monkeypatch.setattr(segments_and_consents, "_OVERLAP", 1)


@pytest.mark.slow
@pytest.mark.parametrize("case", LISTS, ids=lambda case: f"{case.stream} {case.path}")
def test_no_row_is_skipped_when_an_earlier_one_disappears(
    make_sandbox: Callable[..., Sandbox], case: Paged
) -> None:
    whole, quiet, box = _read(make_sandbox, case)
    still, _, _ = _read(make_sandbox, case, leaving={0: [0]})
    moved, output, _ = _read(make_sandbox, case, leaving={1: [0]})
    assert len(still) < len(whole)
    assert moved >= still
    assert "ACTIVATE_VERSION" in quiet.types
    assert "ACTIVATE_VERSION" in output.types
    pages = [call for call in box.calls if call.path == case.path]
    assert len(pages) != 1, "it has only one page"


class _Jump(Shift):
    """The last row of the list moves to its front after some pages."""

    def left(self, rows: list[Any]) -> list[Any]:
        return rows[-1:] + rows[:-1] if self.read >= 3 else rows


@pytest.mark.parametrize("case", EACH_KIND, ids=lambda case: f"{case.stream} {case.path}")
def test_a_row_that_moves_to_pages_already_read_does_not_count_as_gone(
    make_sandbox: Callable[..., Sandbox], case: Paged, caplog: pytest.LogCaptureFixture
) -> None:
    whole, _, _ = _read(make_sandbox, case)
    found, output, _ = _read(make_sandbox, case, kind=_Jump)
    assert found == whole or "ACTIVATE_VERSION" not in output.types
    warnings = [line.getMessage() for line in caplog.records if line.levelname == "WARNING"]
    matching = [line for line in warnings if "moved while it was read" in line or "during" in line]
    assert len(matching) == (found != whole)
    assert all(f"Stream '{case.stream}'" in line for line in matching)


@pytest.mark.slow
@pytest.mark.usefixtures("fast_retries")
@pytest.mark.parametrize("case", EACH_KIND, ids=lambda case: f"{case.stream} {case.path}")
def test_a_list_that_always_moves_proves_nothing(
    make_sandbox: Callable[..., Sandbox], case: Paged
) -> None:
    _, output, _ = _read(make_sandbox, case, rotation=case.page + 1)
    assert "ACTIVATE_VERSION" not in output.types


def test_object_types_that_move_prove_nothing_about_objects(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox(workspace=WORKSPACE)
    for first, token in ((1, "more"), (2, "")):
        types = [{"id": first}, {"id": first + 1}]
        box.fail(status=200, body={"types": types, "next": token}, path="/v1/object_types")
    output = run_tap(config_for(box), streams=["objects"])
    assert {row["object_type_id"] for row in output.records["objects"]} == {1, 2}
    assert "ACTIVATE_VERSION" not in output.types
