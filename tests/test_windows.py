"""Time arithmetic: windows partition the range; buckets follow the calendar of their zone."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_customerio.windows import (
    DAY,
    EASTERN,
    HOUR,
    Resolution,
    Window,
    WindowPlan,
    bucket_after,
    bucket_from,
    bucket_start,
    buckets,
    parse,
    relative,
    rfc3339,
)

MOMENTS = st.integers(parse("2012-01-01"), parse("2035-01-01"))
RESOLUTIONS = st.sampled_from(["hours", "days", "weeks", "months"])
ZONES = st.sampled_from(
    ["UTC", "America/New_York", "Europe/Rome", "Asia/Kolkata", "America/Sao_Paulo", "Asia/Beirut"]
).map(ZoneInfo)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-03-10T15:30:00Z"),
        ("Today", "2026-03-10T00:00:00Z"),
        ("yesterday", "2026-03-09T00:00:00Z"),
        ("7d", "2026-03-03T00:00:00Z"),
        ("2w", "2026-02-24T00:00:00Z"),
        ("12h", "2026-03-10T03:30:00Z"),
    ],
)
def test_times_relative_to_now_are_in_utc(text: str, expected: str) -> None:
    found = relative(text, parse("2026-03-10T15:30:00Z") + 0.5)
    assert found is not None
    assert rfc3339(found) == expected


@pytest.mark.parametrize("text", ["2026-01-01", "d", "7", "-1d", "7 days", "soon", ""])
def test_other_times_are_not_relative(text: str) -> None:
    assert relative(text, 0) is None


@given(MOMENTS, st.integers(0, 4000 * DAY), st.lists(st.integers(0, 2_000_000), max_size=50))
def test_windows_partition_the_range_with_any_known_density(
    start: int, length: int, rows: list[int]
) -> None:
    plan = WindowPlan(start, start + length)
    edge = start
    for number, window in enumerate(plan):
        assert window.start == edge
        assert 0 < window.width <= 180 * DAY
        edge = window.end
        if number < len(rows):
            plan.learn(window, rows[number])
        if number > 10_000:
            break
    else:
        assert edge == start + length


def test_empty_years_cost_few_windows() -> None:
    plan = WindowPlan(parse("2012-01-01"), parse("2026-01-01"))
    count = 0
    for window in plan:
        plan.learn(window, 0)
        count += 1
    assert count <= 35


def test_windows_grow_to_180_days_and_no_further() -> None:
    plan = WindowPlan(parse("2012-01-01"), parse("2026-01-01"))
    widths = []
    for window, _ in zip(plan, range(11), strict=False):
        widths.append(window.width)
        plan.learn(window, 0)
    assert widths[10] == 180 * DAY == max(widths)


def test_busy_windows_make_the_next_ones_contain_about_ten_thousand_rows() -> None:
    plan = WindowPlan(0, 400 * DAY)
    windows = iter(plan)
    plan.learn(Window(0, 30 * DAY), 300_000)
    assert next(windows).width == DAY


def test_a_quiet_window_makes_the_next_at_most_six_times_as_wide() -> None:
    plan = WindowPlan(0, 400 * DAY)
    windows = iter(plan)
    plan.learn(next(windows), 10)
    assert 17 * DAY < next(windows).width < 19 * DAY


def _widths(plan: WindowPlan, rows_a_day: int) -> list[float]:
    """The widths in days of windows that end after three more began, as in parallel reads."""
    widths: list[float] = []
    windows: list[Window] = []
    for window in plan:
        windows.append(window)
        widths.append(window.width / DAY)
        if len(windows) > 3:
            plan.learn(ended := windows.pop(0), ended.width * rows_a_day // DAY)
    return widths


def test_the_last_windows_are_narrower_so_that_parallel_reads_end_together() -> None:
    widths = _widths(WindowPlan(0, 30 * DAY), 10_000 // 3)
    assert widths[:6] == pytest.approx([3] * 6, rel=0.01)
    assert widths == pytest.approx(sorted(widths, reverse=True), rel=0.01)
    assert widths[-1] < widths[-2] == pytest.approx(1.2, rel=0.01)  # 4,000 rows
    assert len(widths) <= 10 + 4


def test_the_first_pages_of_a_window_determine_the_last_widths() -> None:
    plan = WindowPlan(0, 6 * DAY)
    windows = iter(plan)
    first = next(windows)
    assert plan.rest(first, first.end - 3 * DAY // 10, 1) == []  # 10,000 rows in three days
    assert next(windows).width == pytest.approx(1.2 * DAY, rel=0.01)


def test_a_burst_or_few_rows_hardly_narrow_the_last_windows() -> None:
    for rows, expected in ((10**7, 1.2 * DAY), (300, 3 * DAY)):
        plan = WindowPlan(0, 6 * DAY)
        windows = iter(plan)
        first = next(windows)
        plan.rest(first, first.end - first.width * 1000 // rows, 1)
        assert next(windows).width == pytest.approx(expected, rel=0.01)


def test_a_narrow_last_window_does_not_narrow_the_others() -> None:
    plan = WindowPlan(0, 400 * DAY)
    plan.learn(Window(0, 60), 5)
    assert next(iter(plan)).width == 3 * DAY


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 200))
def test_splitting_a_window_partitions_it(start: int, width: int, count: int) -> None:
    window = Window(start, start + width)
    parts = window.cut(count)
    assert [second for part in parts for second in (part.start, part.end)][1:-1] == [
        edge for part in parts[1:] for edge in (part.start, part.start)
    ]
    assert (parts[0].start, parts[-1].end) == window
    assert len(parts) == min(count, width)
    assert all(part.width >= 1 for part in parts)


@given(MOMENTS, st.integers(0, 10**9), st.integers(1, 1000))
def test_any_number_of_shares_are_consecutive_and_about_equal(
    start: int, width: int, count: int
) -> None:
    whole = Window(start, start + width)
    shards = [whole.shard(number, count) for number in range(1, count + 1)]
    assert (shards[0].start, shards[-1].end) == whole
    assert all(one.end == two.start for one, two in pairwise(shards))
    widths = [shard.width for shard in shards]
    assert 0 <= max(widths) - min(widths) <= 1


@given(MOMENTS, st.integers(1, 60 * DAY), st.integers(1, 40), RESOLUTIONS, ZONES)
def test_every_bucket_belongs_to_one_share(
    start: int, width: int, count: int, resolution: Resolution, zone: ZoneInfo
) -> None:
    whole = Window(start, start + width)

    def border(moment: int) -> int:
        return moment if moment in whole else bucket_from(moment, resolution, zone)

    def within(window: Window) -> list[Window]:
        if window.start >= window.end:
            return []
        first = bucket_start(window.start, resolution, zone)
        return list(buckets(first, window.end, resolution, zone))

    shards = [whole.shard(number, count) for number in range(1, count + 1)]
    cut = [Window(border(shard.start), border(shard.end)) for shard in shards if shard.width]
    assert [bucket for shard in cut for bucket in within(shard)] == within(whole)


@given(MOMENTS, RESOLUTIONS, ZONES)
def test_the_bucket_after_a_time_is_the_first_that_starts_then(
    moment: int, resolution: Resolution, zone: ZoneInfo
) -> None:
    start = bucket_from(moment, resolution, zone)
    assert bucket_start(start, resolution, zone) == start >= moment
    assert bucket_after(start, resolution, zone, -1) < moment


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 10**6), st.integers(12, 99))
def test_the_rest_of_a_long_window_continues_the_part_already_read(
    start: int, width: int, back: int, pages: int
) -> None:
    window = Window(start, start + width)
    oldest = window.end - 1 - back % width
    rest = WindowPlan(0, 10**7).rest(window, oldest, pages)
    if oldest + 1 == window.end:
        assert rest == []
        return
    assert rest[0].start == window.start
    assert rest[-2].end == oldest + 1
    assert rest[-1] == (window.end, window.end)
    assert all(one.end == two.start for one, two in pairwise(rest[:-1]))


def test_a_window_is_not_split_early() -> None:
    assert WindowPlan(0, DAY).rest(Window(0, DAY), 5, 11) == []


@given(MOMENTS, RESOLUTIONS, ZONES)
def test_a_bucket_contains_its_time(moment: int, resolution: Resolution, zone: ZoneInfo) -> None:
    start = bucket_start(moment, resolution, zone)
    assert start <= moment < bucket_after(start, resolution, zone)
    assert bucket_start(start, resolution, zone) == start


@given(MOMENTS, RESOLUTIONS, ZONES, st.integers(0, 40))
def test_counting_back_reverses_counting_forward(
    moment: int, resolution: Resolution, zone: ZoneInfo, count: int
) -> None:
    start = bucket_start(moment, resolution, zone)
    later = bucket_after(start, resolution, zone, count)
    assert bucket_after(later, resolution, zone, -count) == start


@given(MOMENTS, st.sampled_from(["days", "weeks", "months"]), ZONES)
def test_buckets_start_with_the_local_day(
    moment: int, resolution: Resolution, zone: ZoneInfo
) -> None:
    start = bucket_start(moment, resolution, zone)
    local = dt.datetime.fromtimestamp(start, zone)
    the_second_before = dt.datetime.fromtimestamp(start - 1, zone)
    assert local.date() != the_second_before.date()
    assert resolution != "weeks" or local.isoweekday() == 7
    assert resolution != "months" or local.day == 1


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-06-15", 24)]
)
def test_days_of_clock_changes_have_23_and_25_hours(day: str, hours: int) -> None:
    start = bucket_start(parse(f"{day}T12:00:00-05:00"), "days", EASTERN)
    end = bucket_after(start, "days", EASTERN)
    assert end - start == hours * HOUR
    assert len(list(buckets(start, end, "hours", EASTERN))) == hours


def test_every_third_bucket_start_over_both_clock_changes_is_known() -> None:
    months = buckets(parse("2026-02-01T05:00:00Z"), parse("2027-01-01"), "months", EASTERN)
    assert [rfc3339(bucket.start) for bucket in months][::3] == [
        "2026-02-01T05:00:00Z",
        "2026-05-01T04:00:00Z",
        "2026-08-01T04:00:00Z",
        "2026-11-01T04:00:00Z",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10),
        ("1970-01-01", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:10.999999Z", 10),
    ],
)
def test_instants_are_parsed_in_every_usual_form(text: str, seconds: int) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_instants_outside_the_years_1_to_9999_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="year 1 to 9999"):
        parse(text)


@pytest.mark.slow
@given(st.integers(0, 4_102_444_800))
def test_instants_survive_a_round_trip(seconds: int) -> None:
    assert parse(rfc3339(seconds)) == seconds
