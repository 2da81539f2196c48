"""report: one page of figures from the models, on small hand-made tables."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timezone
from functools import cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import duckdb
import pytest
import vl_convert
from report.marts_warehouse import Size, make_warehouse
from terminal import typed

from tap_customerio.report.marts import Period

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

TITLES = {
    "Deliveries sent, opened and clicked by day": "customerio__sender_daily",
    "Senders by deliveries sent": "customerio__sender_daily",
    "Journeys through campaigns by step": "customerio__journey_funnel",
    "A/B tests of newsletters: share clicked": "customerio__ab_tests",
    "Share of e-mails delivered by domain": "customerio__deliveries",
    "People in the largest segments by day": "customerio__segment_growth",
    "Share of people who agree, refuse, or made no choice, by topic": "customerio__consents",
    "Deliveries counted by Customer.io, and loaded, by month": "customerio__reconciliation",
}


def make_page(folder: Path, url: str, *words: str) -> str:
    """Create the page."""
    path = folder / "report.html"
    screen = typed("report", "--warehouse", url, "--output", str(path), *words)
    assert screen.code == 0, screen.err
    assert screen.out == f"Wrote {path}.\n"
    return path.read_text(encoding="utf-8")


def svgs(page: str) -> list[ET.Element]:
    """Every drawing, parsed."""
    return [ET.fromstring(text) for text in re.findall(r"<svg .*?</svg>", page, re.DOTALL)]


def cells(page: str, first: str) -> list[str]:
    """The cells of the row that starts with this text."""
    [row] = [row for row in re.findall(r"<tr>(.*?)</tr>", page) if f'">{first}</td>' in row]
    return re.findall(r"<td[^>]*>(.*?)</td>", row)


@pytest.fixture(scope="module", autouse=True)
def _drawn_once() -> Iterator[None]:
    """Draw each chart once for all tests: that takes most of their time."""
    convert = vl_convert.vegalite_to_svg
    draw = cache(lambda spec: convert(json.loads(spec)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vl_convert, "vegalite_to_svg", lambda spec: draw(json.dumps(spec)))
        yield


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    return make_page(folder, make_warehouse(folder / "a.duckdb"))


def test_each_figure_has_a_title_and_names_its_model(page: str) -> None:
    figures = re.findall(r"<h2>(.*?)</h2>\n<p>.*? From <code>(\w+)</code>", page, re.DOTALL)
    assert dict(figures) == TITLES


def test_numbers_match_the_models(page: str) -> None:
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page) == [
        ("Deliveries sent", "40"),
        ("E-mails opened by people", f"{15 / 35:.1%}"),
        ("E-mails clicked by people", "0.0%"),
        ("Sent, not settled yet", "40"),
    ]
    assert "Deliveries created on 2026-03-01 and later are not settled" in page
    sender = "Letter 1 of *** &lt;b&gt;"
    numbers = ["400", "90.0%", "50.0%", "20.0%", "10.0%", "0.0%"]
    assert cells(page, sender) == [sender, "newsletter", *numbers]
    journeys = ["1,000", "80.0%", "60.0%", "20.0%", "40.0%", "10.0%", "5.0%"]
    assert cells(page, "Onboarding") == ["Onboarding", *journeys]
    assert ">1,000 (100.0%)</text>" in page
    winner = "Short subject of Letter 1"
    assert cells(page, winner) == [winner, "100", "12.3%", "10.0% to 15.0%", "winner"]
    assert cells(page, "all messages") == ["all messages", "10", "0", "2", "8"]
    assert cells(page, "Offers") == ["Offers", "10", "3", "2", "5"]
    assert "No choice: the topic&#x27;s default applies" in page
    assert cells(page, "2026-03") == ["2026-03", "10,000", "9,900", "100", "0"]
    assert ">Segment 8</text>" in page
    assert ">Segment 2</text>" not in page, "only the six largest"


def test_a_page_has_no_external_resources_and_no_scripts(page: str) -> None:
    assert "<script" not in page
    addresses = set(re.findall(r"https?://[^\s\"<]+", page))
    assert {url for url in addresses if not url.startswith("http://www.w3.org/")} == set()
    assert not re.search(r"<(link|img|iframe)|@import|url\(", page)


def test_drawings_are_complete_and_have_a_dark_theme(page: str) -> None:
    drawings = svgs(page)
    assert len(drawings) >= 2 * 6
    assert sum(drawing.get("data-size") == "small" for drawing in drawings) == 3
    dark = page[page.index("prefers-color-scheme: dark") : page.index("</style>")]
    assert "@media screen and (prefers-color-scheme: dark)" in page, "paper is white"
    for name in ("fill", "stroke"):
        used = {each.get(name) for drawing in drawings for each in drawing.iter()}
        used -= {None, "none", "transparent"}
        assert {color for color in used if f'[{name}="{color}"]' not in dark} == set()
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_there_is_no_personal_data(page: str) -> None:
    assert not re.search(r"[\w.-]+@[\w-]+\.\w+|person-\d|customer-\d|550", page)
    assert "few.example" not in page, "a domain of one person"
    assert cells(page, "1 other domain") == ["1 other domain", "1", "0.0%", "0.0%", "0.0%"]
    assert cells(page, "many.example")[1] == "39"


@pytest.mark.parametrize("name", ["many.example, b", "many.example>", "b@many.example", "many", ""])
def test_an_invalid_domain_is_added_to_the_others(tmp_path: Path, name: str) -> None:
    url = make_warehouse(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        database.execute(
            "update analytics.customerio__deliveries set recipient_domain = ? "
            "where recipient_domain = 'many.example'",
            [name],
        )
    page = make_page(tmp_path, url)
    assert cells(page, "2 other domains")[1] == "40"
    assert "many" not in page


def test_impossible_days_do_not_stretch_the_page(tmp_path: Path) -> None:
    url = make_warehouse(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        for day in ("date '0001-01-01'", "date '9999-12-31'", "null"):
            database.execute(
                "insert into analytics.customerio__sender_daily "
                f"select * replace ({day} as day) from analytics.customerio__sender_daily limit 1"
            )
    today = datetime.now(timezone.utc).date()
    assert f"<p>2012-01-01 to {today}, days in UTC." in make_page(tmp_path, url)


@pytest.mark.parametrize("option", ["--from", "--to"])
@pytest.mark.parametrize("value", ["0001-01-01", "1900-01-01", "99999d"])
def test_dates_before_the_data_are_rejected(tmp_path: Path, option: str, value: str) -> None:
    url = make_warehouse(tmp_path / "a.duckdb", None)
    path = tmp_path / "r.html"
    screen = typed("report", "--warehouse", url, "--output", str(path), option, value)
    assert screen.code == 1
    assert f"{option} is '" in screen.err
    assert "it must not be before 2012-01-01" in " ".join(screen.err.split())


def test_a_report_replaces_only_a_page(tmp_path: Path) -> None:
    url = make_warehouse(tmp_path / "a.duckdb", None)
    before = (tmp_path / "a.duckdb").read_bytes()
    screen = typed("report", "--warehouse", url, "--output", str(tmp_path / "a.duckdb"))
    assert screen.code == 1
    assert "exists and is not an HTML page" in " ".join(screen.err.split())
    assert (tmp_path / "a.duckdb").read_bytes() == before
    (tmp_path / "report.html").touch()
    assert make_page(tmp_path, url) == make_page(tmp_path, url)


def test_models_of_another_version_are_an_error(tmp_path: Path) -> None:
    url = make_warehouse(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        database.execute("alter table analytics.customerio__deliveries drop column is_draft")
    screen = typed("report", "--warehouse", url, "--output", str(tmp_path / "r.html"))
    assert screen.code == 1
    words = " ".join(screen.err.split())
    assert "Cannot read the models in schema 'analytics' (Binder Error" in words
    assert "dbt build --full-refresh" in words
    assert "flattening" not in words


def test_dates_limit_the_page_and_the_end_is_exclusive(tmp_path: Path) -> None:
    url = make_warehouse(tmp_path / "a.duckdb")
    page = make_page(tmp_path, url, "--from", "2026-03-03", "--to", "2026-03-05")
    assert "<p>2026-03-03 to 2026-03-04, days in UTC." in page
    assert cells(page, "Letter 1 of *** &lt;b&gt;")[2] == "80"
    assert cells(page, "Onboarding")[1] == "200"
    assert cells(page, "2026-03") == ["2026-03", "2,000", "1,980", "20", "0"]
    assert ("Deliveries sent", "0") in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    assert page.count("Nothing in these dates.") == 2, "tests and domains"


def test_empty_models_make_a_page_that_says_so(tmp_path: Path) -> None:
    page = make_page(tmp_path, make_warehouse(tmp_path / "a.duckdb", None))
    assert page.count("Nothing in these dates.") == 7
    assert page.count("Nothing was loaded.") == 1
    assert svgs(page) == []


def test_one_day_is_drawn_as_points(tmp_path: Path) -> None:
    page = make_page(tmp_path, make_warehouse(tmp_path / "a.duckdb", Size(days=1)))
    [first, *_] = svgs(page)
    marks = [each for each in first.iter() if "mark-symbol role-mark" in each.get("class", "")]
    assert [len(list(mark)) for mark in marks] == [3]


def test_segments_counted_once_are_bars(tmp_path: Path) -> None:
    page = make_page(tmp_path, make_warehouse(tmp_path / "a.duckdb", Size(days=1)))
    figure = page[page.index("People in the largest segments") :].partition("</figure>")[0]
    assert "mark-rect" in figure
    assert ">8,000</text>" in figure
    assert "mark-line" not in figure


def test_a_legend_matches_the_lines(page: str) -> None:
    [legend] = re.findall(r'<p class="legend">(.*?)</p>', page, re.DOTALL)
    assert re.findall(r'stroke-dasharray="([\d,]+)"', legend) == ["1,0", "6,3", "2,2"]


def test_many_senders_and_years_stay_readable(tmp_path: Path) -> None:
    url = make_warehouse(
        tmp_path / "a.duckdb", Size(days=3653, senders=200, first=date(2015, 1, 1))
    )
    page = make_page(tmp_path, url)
    assert "Deliveries sent, opened and clicked by month" in page
    assert "180 more senders sent 7,200 deliveries." in page
    assert page.count('data-size="small"') == 12
    assert len(page) < 600_000


def test_months_weeks_and_days_contain_all_days() -> None:
    for days, unit, number in ((100, "day", 100), (101, "week", 15), (501, "month", 17)):
        start = date(2026, 1, 1)
        period = Period(start, date.fromordinal(start.toordinal() + days))
        assert (period.unit, len(period.buckets())) == (unit, number)
        assert all(period.bucket(day) == day for day in period.buckets())


def test_deliveries_that_are_not_counted_are_in_the_months(tmp_path: Path) -> None:
    url = make_warehouse(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        for start, end, status in (
            ("2026-02-28 13:00", "2026-03-01 13:00", "not covered"),  # a day of another time zone
            ("2026-03-01", "2026-03-02", "unknown sender"),
            ("2026-02-27", "2026-02-28", "not covered"),
        ):
            database.execute(
                "insert into analytics.customerio__reconciliation values "
                f"('{start}', '{start}', '{end}', 0, 70, -70, false, '{status}')"
            )
    page = make_page(tmp_path, url)
    assert cells(page, "2026-03") == ["2026-03", "10,000", "9,900", "100", "70"]
    assert cells(page, "2026-02") == ["2026-02", "0", "0", "0", "70"]


@pytest.mark.parametrize("kind", ["newsletter", "unknown"])
def test_senders_that_may_be_broadcasts_are_explained(tmp_path: Path, kind: str) -> None:
    url = make_warehouse(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        database.execute("update analytics.customerio__sender_daily set source_type = ?", [kind])
    page = make_page(tmp_path, url)
    assert ("Of unknown type are campaigns or broadcasts" in page) == (kind == "unknown")


def test_several_workspaces_are_distinguished(tmp_path: Path) -> None:
    url = make_warehouse(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        for table in ("senders", "sender_daily"):
            name = f"analytics.customerio__{table}"
            database.execute(
                f"insert into {name} select * replace ('bora' as workspace) from {name}"
            )
    page = make_page(tmp_path, url)
    assert cells(page, "acme: Letter 1 of *** &lt;b&gt;")[2] == "400"
    assert cells(page, "bora: Letter 1 of *** &lt;b&gt;")[2] == "400"


def test_series_with_the_same_name_are_distinguished(tmp_path: Path) -> None:
    url = make_warehouse(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        for table, column in (
            *(("ab_tests", "test_group"), ("segment_growth", "segment_name")),
            *(("consents", "subject_name"), ("senders", "source_name")),
        ):
            database.execute(f"update analytics.customerio__{table} set {column} = 'Same'")
    page = make_page(tmp_path, url)
    assert set(re.findall(r'"sender">(.*?)</td>', page)) == {*("Same", "Same (2)", "Same (3)")}
    assert "Same (3)<br>at most" in page
    assert "Same of Letter 1</td>" in page
    assert "Same of Letter 1 (1, 2)</td>" in page
    assert ">Same</text>" in page
    assert page.count(">Same (7)</text>") == 2, "in both drawings"
    assert "Same (topic_1)</td>" in page


def test_topics_without_any_choice_are_left_out(tmp_path: Path) -> None:
    url = make_warehouse(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        database.execute(
            "update analytics.customerio__consents set is_choice = false where scope = 'topic'"
        )
    page = make_page(tmp_path, url)
    assert "Topics without any choice are left out: subscription_preferences has" in page
    assert cells(page, "all messages") == ["all messages", "10", "0", "2", "8"]
    assert ">Offers</td>" not in page


def test_variant_names_are_complete_at_every_width(tmp_path: Path) -> None:
    name = "Black Friday newsletter for loyal customers, with a very long name 2026"
    url = make_warehouse(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        database.execute("update analytics.customerio__ab_tests set newsletter_name = ?", [name])
    page = make_page(tmp_path, url)
    figure = page[page.index("<h2>A/B tests") :].partition("</figure>")[0]
    for drawing in svgs(figure):
        words = " ".join(text.strip() for text in drawing.itertext() if text.strip())
        assert f"Long subject of {name}" in words
        assert f"Short subject of {name}" in words


def test_odd_names_neither_end_nor_hide_anything(tmp_path: Path) -> None:
    names = {
        " \n\t": "newsletter 1",
        "a\x01b\x1b[1m": "a b [1m",
        "\u202eback\uffff": "back",
        "</svg><script>1</script>": "&lt;/svg&gt;&lt;script&gt;1&lt;/script&gt;",
    }
    url = make_warehouse(tmp_path / "a.duckdb", Size(days=2, senders=4))
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        columns = {"ab_tests": "newsletter_name", "segment_growth": "segment_name"}
        columns |= {"senders": "source_name", "consents": "subject_name"}
        for table, column in columns.items():
            each = f"update analytics.customerio__{table} set {column} = ?[1 + rowid % 4]"
            database.execute(each, [[*names]])
    page = make_page(tmp_path, url)
    for shown in names.values():
        assert f'data-label="sender">{shown}</td>' in page
    assert len(svgs(page)) > 10
    assert "<script" not in page


def test_missing_models_are_named(tmp_path: Path) -> None:
    url = make_warehouse(tmp_path / "a.duckdb", without="senders")
    screen = typed("report", "--warehouse", url, "--output", str(tmp_path / "r.html"))
    assert screen.code == 1
    assert "Schema 'analytics' has no customerio__senders: build the models with 'dbt build'" in (
        " ".join(screen.err.split())
    )
    assert not (tmp_path / "r.html").exists()


def test_a_disabled_model_is_left_out(tmp_path: Path) -> None:
    page = make_page(tmp_path, make_warehouse(tmp_path / "a.duckdb", without="consents"))
    assert "Not built, and left out: customerio__consents." in page
    assert "people who agree" not in page


def test_an_unwritable_file_is_an_error(tmp_path: Path) -> None:
    url = make_warehouse(tmp_path / "a.duckdb", None)
    target = tmp_path / "none" / "report.html"
    screen = typed("report", "--warehouse", url, "--output", str(target))
    assert screen.code == 1
    assert "with --output" in " ".join(screen.err.split())
