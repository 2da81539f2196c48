"""A report as a self-contained HTML page."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Any

from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 70em;
  margin: 2em auto; padding: 0 1em; overflow-wrap: anywhere; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2em; border-bottom: 2px solid #ddd; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; vertical-align: top; padding: .3em .6em; border-bottom: 1px solid #ddd;
  overflow-wrap: break-word; }
.long { overflow-wrap: anywhere; }
th { background: #f6f6f6; overflow-wrap: break-word; }
caption { text-align: left; }
.none { color: #595959; } .missing { color: #a00000; }
@media screen and (max-width: 40em) {
  thead { position: absolute; left: -999em; }
  table, caption, tbody, tr, td { display: block; }
  td:empty { display: none; }
  tr { padding: .5em 0; border-bottom: 2px solid #ddd; }
  td { border: 0; padding: .1em 0; }
  td::before { content: attr(data-label) ": "; color: #595959; }
}
@media print {
  @page { margin: 14mm; }
  body { max-width: none; margin: 0; padding: 0; font-size: 9.5pt; line-height: 1.3; }
  h2, h3 { break-after: avoid; margin: 1em 0 .3em; } tr { break-inside: avoid; }
  table { font-size: 8pt; } th, td { padding: .15em .5em; }
  thead { display: table-header-group; }
}
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_MESSAGE = {"created": "created", "type": "channel", "recipient": "to", "subject": "subject"}
_ACTIVITY = {"timestamp": "when", "type": "what", "name": "name", "data": "details"}
_SEGMENT = {"name": "name", "description": "description"}
_DEVICE = {"platform": "platform", "id": "token", "last_used": "last used", "attributes": "details"}
_OPT_OUT = {"channel": "channel", "from": "sender"}
_RELATIONSHIP = {"object_type_id": "object type", "identifiers": "object", "attributes": "details"}
_FORMER = {"type": "kind", "value": "identifier"}
_TOPIC = {"name": "topic", "description": "description", "subscribed": "subscribed"}
_SUPPRESSION = {"email": "address", "created": "since", "reason": "reason", "status": "status"}
KINDS = {
    "email": "e-mail address",
    "id": "id",
    "cio_id": "Customer.io id",
    "phone": "phone number",
}
_TIMES = ("created", "timestamp", "last_used", "_at", "_on", "_date")
_NUMBERS = ("id", "phone", "number", "amount", "price", "total")
_TECHNICAL = {"deduplicate_id"}
_CHANNELS = {"twilio": "text message", "in_app": "in-app message"}
_LONG = 32
"""Words of at least this length may break anywhere."""
_SECONDS = re.compile(r"1\d{9}")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d:\d\d) UTC")


def html_report(report: Mapping[str, Any]) -> str:
    """The page of a report."""
    request = report["request"]
    people = report["people"]
    what = KINDS.get(request["type"], request["type"])
    who = report.get("controller")
    found = f"Searched on: {_text(minute(report['created_at']))}. Profiles found: {len(people)}."
    parts = [
        f"<h1>Personal data in Customer.io about {_text(request['value'])}</h1>",
        f"<p>Responsible for this data (controller): {_text(who)}.</p>" if who else "",
        f"<p>Searched for: {what} {_text(request['value'])}. {found}</p>",
        _nothing(report, what),
        *(_person(number, person) for number, person in enumerate(people, 1)),
        "<h2>E-mail provider</h2>",
        table("Addresses that it blocks", report["provider_suppressions"], _SUPPRESSION),
        items("What could not be read", (_missing(each) for each in report["not_read"])),
        items("Good to know", report["caveats"]),
    ]
    return document("Personal data held in Customer.io", parts)


def _nothing(report: Mapping[str, Any], what: str) -> str:
    """A sentence that says that there is no data, if this is certain."""
    if report["people"]:
        return ""
    sentences = [f"No profile in this workspace has this {what}."]
    if report["not_read"]:
        sentences.append("Some places could not be searched; they are listed below.")
    elif report["provider_suppressions"]:
        sentences.append("Only the e-mail provider's lists below name the person.")
    else:
        sentences.append("No personal data was found.")
    return f"<p><strong>{' '.join(sentences)}</strong></p>"


def document(title: str, parts: Iterable[str], style: str = _STYLE) -> str:
    """A whole page without external files, for screens of any width and for paper."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _person(number: int, person: Mapping[str, Any]) -> str:
    held, topics = person["attributes"], person["subscription_preferences"]
    pairs = None
    if held is not None:
        pairs = [{"name": _word(n), "value": _readable(n, v)} for n, v in sorted(held.items())]
    topics = None if topics is None else topics.get("topics") or []
    state = {True: "yes", False: "no"}.get(person["unsubscribed"], "not known")
    state = f"Unsubscribed from everything: {state}."
    sections: list[tuple[str, Sequence[Mapping[str, Any]] | None, Mapping[str, str]]] = [
        ("Identifiers they had before", person["former_identifiers"], _FORMER),
        ("Attributes", pairs, {"name": "name", "value": "value"}),
        ("Devices", person["devices"], _DEVICE),
        ("Segments", person["segments"], _SEGMENT),
        ("Subscription preferences", topics, _TOPIC),
        ("Opt-outs of text messages", person["opt_outs"], _OPT_OUT),
        ("Relationships", person["relationships"], _RELATIONSHIP),
        ("Messages", _with_channels(person["messages"]), {**_MESSAGE, "became": "outcome"}),
        ("Activities", _with_kinds(person["activities"]), _ACTIVITY),
    ]
    empty = ", ".join(title for title, rows, _ in sections if rows == [])
    return "\n".join(
        [
            f"<h2>Person {number}</h2>",
            f"<p>Customer.io id {_text(person['cio_id'])}. {state}</p>",
            *(table(*section) for section in sections if section[1] != []),
            f'<p class="none">Nothing is held of these kinds: {empty}.</p>' if empty else "",
        ]
    )


def _with_channels(messages: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Messages with their channel and the times of their states in words."""
    if messages is None:
        return None
    return [
        {
            **message,
            "type": _CHANNELS.get(str(message.get("type")), message.get("type")),
            "became": _steps(message.get("metrics")),
        }
        for message in messages
    ]


def _with_kinds(activities: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Activities with their type in words."""
    if activities is None:
        return None
    return [{**each, "type": _word(str(each.get("type", "")))} for each in activities]


def _steps(metrics: Any) -> Any:
    """The states of a message, one line per minute; unexpected shapes stay unchanged."""
    if not isinstance(metrics, dict):
        return metrics
    lines: dict[str, list[str]] = {}
    for name, at in sorted(metrics.items(), key=lambda step: (str(step[1]), step[0])):
        if name.startswith("human_") and metrics.get(name.removeprefix("human_")) == at:
            continue  # The API repeats some states; report.json keeps both.
        lines.setdefault(str(_time(at)), []).append(_word(name).replace(":", " "))
    return "\n".join(f"{moment}: {', '.join(names)}" for moment, names in lines.items())


def _word(name: str) -> str:
    return name.replace("_", " ")


def table(title: str, rows: Sequence[Mapping[str, Any]] | None, columns: Mapping[str, str]) -> str:
    """A table under a third-level heading; None for rows that could not be read."""
    heading = f"<h3>{title}</h3>"
    caption = f"<caption>{heading}</caption>"
    if rows is None:
        return f'{heading}<p class="missing">Could not be read.</p>'
    if not rows:
        return f'{heading}<p class="none">Nothing.</p>'
    heads = "".join(f'<th scope="col">{label}</th>' for label in columns.values())
    lines = ("<tr>" + "".join(_cells(row, columns)) + "</tr>" for row in rows)
    body = "\n".join(lines)
    return f"<table>{caption}<thead><tr>{heads}</tr></thead>\n<tbody>{body}</tbody></table>"


def _cells(row: Mapping[str, Any], columns: Mapping[str, str]) -> Iterable[str]:
    for name, label in columns.items():
        yield f'<td data-label="{label}">{_cell(name, row.get(name))}</td>'


def items(title: str, sentences: Iterable[str]) -> str:
    """A list of sentences under a second-level heading."""
    lines = "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
    return f"<h2>{title}</h2>\n<ul>{lines or '<li>Nothing.</li>'}</ul>"


def _missing(each: Mapping[str, str]) -> str:
    whose = f" of {each['cio_id']}" if "cio_id" in each else ""
    return f"{_word(each['what'])}{whose}: {each['why']}"


def _cell(name: str, value: Any) -> str:
    return _text(_readable(name, value))


def _readable(name: str, value: Any) -> Any:
    """A readable value: times as dates, nested values as lines with names."""
    if isinstance(value, str) and value[:1] in {"{", "["}:  # nested attributes are JSON text
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, dict):
        lines = (
            f"{_word(key)}: {_flat(_readable(key, each))}"
            for key, each in value.items()
            if key not in _TECHNICAL and each is not None
        )
        return "\n".join(lines)
    if isinstance(value, list):
        return "\n".join(_flat(_readable(name, each)) for each in value)
    # The API names the time of a state by the state alone, as in {"opened": 1773933321}.
    is_time = name.endswith(_TIMES) or (type(value) is int and not name.endswith(_NUMBERS))
    return _time(value) if is_time else value


def _flat(value: Any) -> str:
    """A nested member on one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value).replace("\n", "; ")


def _time(value: Any) -> Any:
    """A readable time from unix seconds; anything else unchanged."""
    if not isinstance(value, bool) and _SECONDS.fullmatch(str(value)):
        return minute(rfc3339(int(value)))
    return value


def minute(moment: str) -> str:
    """An RFC 3339 time to the minute."""
    return f"{moment[:10]} {moment[11:16]} UTC"


def _text(value: Any) -> str:
    """Escape a value for HTML; long words may break, times may not."""
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, bool):
        value = "yes" if value else "no"
    text = escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    text = _DATE.sub("\\1\u2011\\2\u2011\\3\u00a0\\4\u00a0UTC", text).replace("\n", "<br>")
    is_long = any(len(word) > _LONG for word in text.split())
    return f'<span class="long">{text}</span>' if is_long else text
