"""The command that finds streams and fields by name or meaning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.table import Table

from tap_customerio import errors
from tap_customerio.commands import selection
from tap_customerio.commands.command_tap import stream_names
from tap_customerio.console import make_console
from tap_customerio.streams import all_streams
from tap_customerio.streams.pii import is_personal
from tap_customerio.streams.schema import json_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from tap_customerio.streams.base import CustomerioStream

SYNONYMS = (
    ("unsub", "opt out", "opt-out", "opted out", "optout", "subscribed"),
    ("email", "e-mail", "mail", "address", "recipient"),
    ("user", "users", "person", "people", "contact", "contacts", "profile", "customer"),
    ("automation", "workflow", "flow", "campaign"),
    ("blast", "bulk", "one-time", "newsletter"),
    ("company", "companies", "account", "accounts", "organisation", "organization", "object"),
    ("list", "lists", "audience", "group of people", "groups of people", "segment"),
    ("template", "templates", "content", "body", "bodies"),
    ("sms", "text message", "twilio"),
    ("ab", "a/b", "split", "test group"),
    ("event", "events", "activity", "activities", "what people did"),
    ("delivery", "deliveries", "send", "sends", "sent"),
    ("statistics", "stats", "report", "reports", "performance", "counts", "metrics"),
    ("bounce", "bounces", "hard bounce", "soft bounce", "bounced"),
    (
        "subscriber",
        "subscribers",
        "subscribed",
        "unsubscribed",
        "segment_counts",
        "people are in",
        "people in each",
    ),
    ("growth", "over time", "each full read adds", "segment_counts", "created"),
    ("spam", "complaint", "complaints", "spammed"),
    ("reply", "replies", "replied"),
    ("phone", "sms", "twilio"),
    ("blocked", "blocklist", "blacklist", "suppressed", "suppression"),
    ("revenue", "goal", "conversion", "conversions", "converted", "purchase", "sales"),
    ("token", "push", "device"),
)
"""Synonyms; a name contains a word if one of its words starts with it."""

_RATES = {"rate", "rates", "ratio", "percentage", "number", "total", "of", "the", "per", "by"}
"""Words that no field name contains; they are ignored, because rates are computed from counts."""
_OPENS_AND_CLICKS = ("open", "click")


class Field(NamedTuple):
    """A field, or a member of one, by its path within the stream."""

    stream: type[CustomerioStream]
    path: str
    type: str
    about: str

    @property
    def name(self) -> str:
        """The name in the form stream.field.member."""
        return f"{self.stream.name}.{self.path}"

    def as_json(self) -> dict[str, Any]:
        """The field as a JSON object."""
        return {
            "stream": self.stream.name,
            "field": self.path,
            "type": self.type,
            "about": self.about,
            "personal": is_personal(self.name),
            "selected_by_default": self.stream.selected_by_default,
        }


class SearchResult(NamedTuple):
    """Search results: streams by name or meaning, and fields by theirs."""

    streams: list[type[CustomerioStream]]
    fields: list[Field]

    def selection(self) -> dict[str, list[str]]:
        """Top-level fields to select, by stream; a whole stream only if no field matches."""
        selected: dict[str, list[str]] = (
            {} if self.fields else {k.name: ["*"] for k in self.streams}
        )
        for field in self.fields:
            names = selected.setdefault(field.stream.name, [])
            names += {field.path.split(".")[0].removesuffix("[]")} - {*names}
        return selected


@click.command()
@click.argument("words", nargs=-1, shell_complete=stream_names)
@click.option(
    "--select",
    "form",
    type=click.Choice(["meltano", "catalog"]),
    help="Print only the selection of these fields: lines for meltano.yml, or a whole catalog.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def fields(words: tuple[str, ...], form: str | None, *, as_json: bool) -> None:
    """Find streams and fields by name or meaning; without WORDS, list all streams.

    Names of streams find all their fields. Of several other words, each must match.

    \b
    Example: tap-customerio fields unsub
    Example: tap-customerio fields messages opened --select meltano
    """  # noqa: D301 - \b is click's, for lines to be kept
    found = search(words)
    if not found.streams and not found.fields:
        raise errors.commands.nothing_found(" ".join(words))
    if form == "catalog":
        click.echo(json.dumps(selection.catalog(found.selection()), indent=2))
    elif form == "meltano":
        click.echo(selection.meltano(found.selection()))
    elif as_json:
        streams = [stream_class.name for stream_class in found.streams]
        result = {"streams": streams, "fields": [field.as_json() for field in found.fields]}
        click.echo(json.dumps(result, indent=2))
    else:
        _show(make_console(), found)


def search(words: Sequence[str]) -> SearchResult:
    """All matches; without words, every stream. Names of streams restrict the search."""
    ordered = sorted(all_streams(), key=lambda stream_class: stream_class.name)
    by_name = {stream_class.name: stream_class for stream_class in ordered}
    named = [by_name[word] for word in words if word in by_name]
    others = [word.lower() for word in " ".join(words).split() if word not in by_name]
    rest = _groups([word for word in others if word not in _RATES] or others)
    if not words:
        return SearchResult(ordered, [])
    streams = [stream_class for stream_class in ordered if _fits(rest, _about(stream_class))]
    classes = named or ordered
    within = [f for stream_class in classes for f in _fields(stream_class, stream_class.schema)]
    found = [field for field in within if _fits(rest, f"{field.path} {field.about}")]
    if not found and not streams:  # words that only match stream and field together
        found = [f for f in within if _fits(rest, f"{f.name} {f.about} {f.stream.about()}")]
    return SearchResult(named or streams, found)


def _about(stream_class: type[CustomerioStream]) -> str:
    """Name and content of a stream, and the subject of its rows."""
    properties = stream_class.schema["properties"]
    keys = (properties.get(key, {}).get("description", "") for key in stream_class.primary_keys)
    return " ".join([stream_class.name, stream_class.about(), *keys])


def _groups(words: Sequence[str]) -> list[set[str]]:
    """Synonyms of each word; words that belong together form one group."""
    counted = [word for word in words if word.startswith(_OPENS_AND_CLICKS)]
    others = [_alike(word) for word in words if word not in counted]
    stems = {_plain(stem) for stem in _OPENS_AND_CLICKS for w in counted if w.startswith(stem)}
    return [*others, *([stems] if stems else [])]


def _fields(
    stream_class: type[CustomerioStream], schema: dict[str, Any], within: str = ""
) -> Iterator[Field]:
    for name, about in schema.get("properties", {}).items():
        path = f"{within}{name}"
        yield Field(stream_class, path, _type(about), about.get("description", ""))
        yield from _fields(stream_class, about, f"{path}.")
        yield from _fields(stream_class, about.get("items", {}), f"{path}[].")


def _type(schema: dict[str, Any]) -> str:
    return "time" if schema.get("format") else json_type(schema)


def _alike(word: str) -> set[str]:
    """A word with its synonyms, normalized to spaces."""
    groups = (group for group in SYNONYMS if any(word.startswith(one) for one in group))
    return {_plain(one) for one in ({word}.union(*groups))}


def _fits(words: Iterable[Iterable[str]], text: str) -> bool:
    """Whether one synonym of each group starts a word in the text."""
    plain = _plain(text)
    return all(any(one in plain for one in group) for group in words)


def _plain(text: str) -> str:
    return " " + "".join(letter if letter.isalnum() else " " for letter in text.lower())


def _show(console: Console, found: SearchResult) -> None:
    if found.streams:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        for stream_class in found.streams:
            grid.add_row(stream_class.name, f"{stream_class.about()}{_off(stream_class)}")
        console.print(grid)
    if not found.fields:
        console.print("\nFields of a stream: tap-customerio fields messages", style="dim")
    for stream_class in dict.fromkeys(field.stream for field in found.fields):
        console.print(f"\n{stream_class.name}{_off(stream_class)}", style="bold")
        _show_fields(console, [f for f in found.fields if f.stream is stream_class])
    if found.fields:
        whole = f"; for a whole stream: {found.streams[0].name}.*" if found.streams else ""
        console.print(
            f"\nLines for meltano.yml that select only these fields "
            f"(for a catalog: --select catalog{whole}):"
        )
        console.print(selection.meltano(found.selection()), style="dim")


def _show_fields(console: Console, found: Sequence[Field]) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(overflow="fold", max_width=max(20, console.width // 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for field in found:
        mark = "" if "ersonal" in field.about or not is_personal(field.name) else "Personal data."
        grid.add_row(f"  {field.path}", field.type, f"{field.about} {mark}".strip())
    console.print(grid)


def _off(stream_class: type[CustomerioStream]) -> str:
    return "" if stream_class.selected_by_default else " (off by default)"
