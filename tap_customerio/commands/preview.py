"""The command that shows some real records of a stream."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import click

from tap_customerio import errors
from tap_customerio.commands import chart
from tap_customerio.commands.command_tap import (
    TIMES,
    CommandTap,
    check_range,
    config_option,
    moment_option,
    stream_names,
)
from tap_customerio.commands.sampling import SamplingClient, newest_first, pages_of
from tap_customerio.commands.senders import NOTES, SHOWN_FIRST, shown
from tap_customerio.console import fitting, make_console, one_line, table
from tap_customerio.settings import Settings
from tap_customerio.streams.pii import MASK, mask
from tap_customerio.streams.schema import json_type
from tap_customerio.streams.series import TimeSeries
from tap_customerio.streams.slices import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import Console

    from tap_customerio.api.client import Client
    from tap_customerio.streams.base import CustomerioStream, Rows
    from tap_customerio.streams.series import Source

Records = list[dict[str, Any]]

_MOST_SLICES = 60
_WIDTHS = (36, 24, 22, 16)
_ENOUGH = 6
_SMALLEST_PAGE = 100
_TECHNICAL = {"deduplicate_id", "resolution", "timezone", "is_partial"}


def _names(_ctx: click.Context, _param: click.Parameter, value: str | None) -> list[str]:
    return [name.strip() for name in (value or "").split(",") if name.strip()]


@click.command()
@click.argument("stream", shell_complete=stream_names)
@config_option
@click.option(
    "--from",
    "start",
    callback=moment_option,
    metavar="TIME",
    help=f"Start of the range: {TIMES}.",
)
@click.option(
    "--to", "end", callback=moment_option, metavar="TIME", help="End of the range, exclusive."
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option(
    "--fields",
    callback=_names,
    metavar="A,B.C",
    help="Show only these fields; B.C is member C of B.",
)
@click.option(
    "--chart", "counts", callback=_names, metavar="A,B", help="Draw counts of metrics over time."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, all fields.")
@click.option("--show-personal-data", is_flag=True, help="Show values that are *** by default.")
def preview(  # noqa: PLR0913, PLR0917 - one parameter an option
    stream: str,
    config: dict[str, Any],
    start: str | None,
    end: str | None,
    limit: int,
    fields: list[str],
    counts: list[str],
    *,
    as_json: bool,
    show_personal_data: bool,
) -> None:
    """Show some records of a stream, the newest first.

    \b
    Example: tap-customerio preview messages --limit 5
    Example: tap-customerio preview messages --fields id,metrics.opened --from 2026-03-01
    Example: tap-customerio preview metrics --chart opened,clicked
    """  # noqa: D301 - \b is click's, for lines to be kept
    check_range(start, end, config)
    client = SamplingClient(Settings.of(config), rows=max(limit, _SMALLEST_PAGE), pages=None)
    if counts:
        start = start or chart.start_of(Settings.of(config), client.present)
    selected = _selected(stream, config, client, start, end)
    if counts:
        chart.show_chart(make_console(), selected, counts, as_json=as_json)
        return
    _check_fields(selected, fields)
    within, console = _range(selected, start, end), make_console()
    with console.status(f"Reading {stream} …"):
        found = _found(selected, within, limit)
        if stream in SHOWN_FIRST and not as_json and not fields:
            found = [shown(stream, row, client, personal=show_personal_data) for row in found]
        elif not show_personal_data:
            found = [mask(stream, record) for record in found]
    if start and (shortfall := selected.shortfall()):
        click.echo(f"Warning: {shortfall}", err=True)
    _print_json(found, fields) if as_json else _show(console, selected, found, fields)


def _selected(
    name: str, config: dict[str, Any], client: Client, start: str | None, end: str | None
) -> CustomerioStream:
    """The named stream, without the warnings that apply only to a whole sync."""
    dates = {"start_date": start or config.get("start_date"), "end_date": end}
    tap = CommandTap({**config, **dates}, client=client)
    tap.logger.setLevel(logging.ERROR)
    [selected] = tap.select_streams([name])
    return selected


def _print_json(records: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
    """Print one record per line."""
    for record in records:
        shown = {name: _inside(record, name) for name in fields} if fields else record
        click.echo(json.dumps(shown, ensure_ascii=False))


def _range(
    stream: CustomerioStream, start: str | None, end: str | None
) -> Callable[[Mapping[str, Any]], bool]:
    """A test whether a record is within the dates; most lists ignore requested dates."""
    key = stream.replication_key
    if (start or end) and not key:
        raise errors.commands.dateless(stream.name)
    if key is None or isinstance(stream, TimeSeries):
        return lambda _record: True
    return lambda record: (start or "") <= (record[key] or "") < (end or "9999")


def _found(
    stream: CustomerioStream, within: Callable[[Mapping[str, Any]], bool], limit: int
) -> Records:
    """The first records, each page's newest first; for counts, from as many senders as possible.

    Raises:
        TapError: The key may not read the list, or the plan does not include it.
    """
    slices = _varied(stream) if isinstance(stream, TimeSeries) else newest_first(stream)
    most = None if isinstance(stream, TimeSeries) else _MOST_SLICES
    pages = pages_of(stream, islice(slices, most))
    found = (list(filter(within, _newest(stream, page, slice_))) for slice_, page in pages)
    try:
        if isinstance(stream, TimeSeries):
            return _newest_of_each(found, limit)
        return list(islice(chain.from_iterable(found), limit))
    except errors.NotFoundError as gone:
        raise errors.api.not_on_plan(gone.request) from None


def _newest_of_each(sources: Iterable[Records], limit: int) -> Records:
    """The newest bucket of each source; more buckets if that is too few."""
    first: Records = []
    rest: Records = []
    for count, rows in enumerate(sources, start=1):
        first += rows[:1]
        rest += rows[1:]
        known = len(first) + (len(rest) if count >= _MOST_SLICES else 0)
        if known >= limit:
            break
    key = itemgetter(TimeSeries.replication_key)
    selected = [*first, *sorted(rest, key=key, reverse=True)][:limit]
    return sorted(selected, key=key, reverse=True)


def _varied(stream: TimeSeries) -> Iterator[Source]:
    """The sources in mixed order: types of senders in turn, and first one source of each sender."""
    parts: Counter[Any] = Counter()
    senders: Counter[Any] = Counter()
    ranked: list[tuple[tuple[int, int], Source | errors.TapError]] = []
    for source in reversed(stream.slices()):  # whose last range is the newest
        if isinstance(source, errors.TapError):
            ranked.append(((sys.maxsize, 0), source))
            continue
        source_type = source.names.get("source_type")
        sender = source_type, source.names.get("source_id")
        turn = parts[sender], senders[source_type, parts[sender]]
        senders[source_type, parts[sender]] += 1
        parts[sender] += 1
        ranked.append((turn, source))
    return map(checked, (source for _, source in sorted(ranked, key=itemgetter(0))))


def _newest(stream: CustomerioStream, page: Rows, slice_: Any) -> Records:
    records = [stream.record(raw, slice_) for raw in page]
    key = stream.replication_key
    complete = [dict(record) for record in records if record is not None]
    return sorted(complete, key=lambda record: record[key] or "", reverse=True) if key else complete


def _check_fields(stream: CustomerioStream, fields: Sequence[str]) -> None:
    known = stream.schema["properties"]
    for name in fields:
        if name.split(".")[0] not in known:
            raise errors.names.unknown(
                f"field of {stream.name}", name, known, f"'tap-customerio fields {stream.name}'"
            )


def _inside(record: Mapping[str, Any], field: str) -> Any:
    """The value of a field or of a nested member; names of members may contain dots."""
    value: Any = record
    rest = field
    while rest and isinstance(value, dict):
        if rest in value:
            return value[rest]
        name, _, rest = rest.partition(".")
        value = value.get(name)
    return None if rest else value


def _show(
    console: Console, stream: CustomerioStream, records: Records, fields: Sequence[str]
) -> None:
    if not records:
        console.print(f"{stream.name}: no records, or none in the range asked for.")
        return
    columns = _columns(stream, records, fields)
    enough = min(len(SHOWN_FIRST.get(stream.name, ())) or _ENOUGH, len(columns))
    for widest in _WIDTHS:
        count = len(columns) if fields else fitting(columns, console.width, widest)
        if count >= enough:
            break
    rows = table()
    for heading, _ in columns[:count]:
        rows.add_column(heading, no_wrap=True, max_width=widest)
    for cells in zip(*(cells for _, cells in columns[:count]), strict=True):
        rows.add_row(*cells)
    console.print(rows)
    if stream.name in NOTES and not fields:
        console.print(NOTES[stream.name], style="dim")
    if left_out := [heading for heading, _ in columns[count:]]:
        console.print(
            f"Too wide for these: {', '.join(left_out)}. Choose with --fields, or add --json.",
            style="dim",
        )


def _columns(
    stream: CustomerioStream, records: Records, fields: Sequence[str]
) -> list[tuple[str, list[str]]]:
    """Heading and cells of the requested fields, or of all non-empty ones, keys first."""
    kinds = stream.schema["properties"]
    first = [*stream.primary_keys, *([stream.replication_key] if stream.replication_key else [])]
    first = [*SHOWN_FIRST.get(stream.name, first)]
    named = [*first, *({"name"} & kinds.keys()), *kinds]
    names = fields or list(dict.fromkeys(named))
    columns = [(name, [one_line(_inside(record, name)) for record in records]) for name in names]
    if fields:
        return columns
    visible = [column for column in columns if any(column[1]) or column[0] in first]
    return sorted(
        visible, key=lambda column: column[0] not in first and _says_little(kinds, *column)
    )


def _says_little(kinds: Mapping[str, Any], name: str, cells: Sequence[str]) -> bool:
    """Whether a column is shown only with --fields: it is long, fully masked, or technical."""
    nested = json_type(kinds[name]) in {"array", "object"}
    return nested or {*cells} <= {"", MASK} or name in _TECHNICAL
