"""A report as a page that anybody can read, in one file without anything from elsewhere."""

from __future__ import annotations

import json
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
  overflow-wrap: anywhere; }
th { background: #f6f6f6; overflow-wrap: break-word; }
.none { color: #595959; } .missing { color: #a00000; }
@media screen and (max-width: 40em) {
  thead { position: absolute; left: -999em; }
  table, tbody, tr, td { display: block; }
  tr { padding: .5em 0; border-bottom: 2px solid #ddd; }
  td { border: 0; padding: .1em 0; }
  td::before { content: attr(data-label) ": "; color: #595959; }
}
@media print {
  body { max-width: none; margin: 0; font-size: 10pt; }
  h2, h3 { break-after: avoid; } tr { break-inside: avoid; } thead { display: table-header-group; }
}
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_MESSAGE = {"created": "sent on", "type": "channel", "recipient": "to", "subject": "subject"}
_ACTIVITY = {"timestamp": "when", "type": "what", "name": "name", "data": "details"}
_SEGMENT = {"name": "name", "description": "description"}
_DEVICE = {"platform": "platform", "id": "token", "last_used": "last used", "attributes": "details"}
_OPT_OUT = {"channel": "channel", "from": "sender"}
_RELATIONSHIP = {"object_type_id": "type", "identifiers": "object", "attributes": "details"}
_FORMER = {"type": "kind", "value": "identifier"}
_TOPIC = {"name": "topic", "description": "description", "subscribed": "subscribed"}
_SUPPRESSION = {"email": "address", "created": "since", "reason": "reason", "status": "status"}
_TIMES = {"created", "created_at", "timestamp", "last_used"}


def page(report: Mapping[str, Any]) -> str:
    """The page of a report."""
    asked = report["request"]
    people = report["people"]
    found = f"Profiles found: {len(people)}."
    parts = [
        f"<h1>What Customer.io holds on {_text(asked['value'])}</h1>",
        f"<p>Asked by {_text(asked['type'])} on {_text(report['created_at'])}. {found}</p>",
        *(_person(number, person) for number, person in enumerate(people, 1)),
        "<h2>E-mail provider</h2>",
        table("Addresses that it blocks", report["provider_suppressions"], _SUPPRESSION),
        items("What could not be read", (_missing(each) for each in report["not_read"])),
        items("Good to know", report["caveats"]),
    ]
    return document("Personal data held in Customer.io", parts)


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page, which needs nothing from elsewhere, for screens of any width and for paper."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _person(number: int, person: Mapping[str, Any]) -> str:
    held, topics = person["attributes"], person["subscription_preferences"]
    pairs = None if held is None else [{"name": n, "value": v} for n, v in sorted(held.items())]
    chosen = None if topics is None else topics.get("topics") or []
    state = {True: "yes", False: "no"}.get(person["unsubscribed"], "not known")
    parts = [
        f"<h2>Person {number}</h2>",
        f"<p>Customer.io id {_text(person['cio_id'])}. Unsubscribed from everything: {state}.</p>",
        table("Identifiers they had before", person["former_identifiers"], _FORMER),
        table("Attributes", pairs, {"name": "name", "value": "value"}),
        table("Devices", person["devices"], _DEVICE),
        table("Segments", person["segments"], _SEGMENT),
        table("Subscription preferences", chosen, _TOPIC),
        table("Opt-outs of text messages", person["opt_outs"], _OPT_OUT),
        table("Relationships", person["relationships"], _RELATIONSHIP),
        table("Messages", _told(person["messages"]), {**_MESSAGE, "became": "what became of it"}),
        table("Activities", person["activities"], _ACTIVITY),
    ]
    return "\n".join(parts)


def _told(messages: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Messages with the times of what became of them in words."""
    if messages is None:
        return None
    return [{**message, "became": _steps(message.get("metrics"))} for message in messages]


def _steps(metrics: Any) -> Any:
    """What became of a message, in order; of another shape, as it is."""
    if not isinstance(metrics, dict):
        return metrics
    steps = sorted(metrics.items(), key=lambda step: (str(step[1]), step[0]))
    return ", ".join(f"{_word(name)} {_time(at)}" for name, at in steps)


def _word(name: str) -> str:
    return name.replace("_", " ")


def table(title: str, rows: Sequence[Mapping[str, Any]] | None, columns: Mapping[str, str]) -> str:
    """Rows below a heading of the third level; None is what could not be read."""
    heading = f"<h3>{title}</h3>"
    if rows is None:
        return f'{heading}<p class="missing">Could not be read.</p>'
    if not rows:
        return f'{heading}<p class="none">Nothing.</p>'
    heads = "".join(f'<th scope="col">{label}</th>' for label in columns.values())
    lines = ("<tr>" + "".join(_cells(row, columns)) + "</tr>" for row in rows)
    body = "\n".join(lines)
    return f"{heading}<table><thead><tr>{heads}</tr></thead>\n<tbody>{body}</tbody></table>"


def _cells(row: Mapping[str, Any], columns: Mapping[str, str]) -> Iterable[str]:
    for name, label in columns.items():
        yield f'<td data-label="{label}">{_cell(name, row.get(name))}</td>'


def items(title: str, sentences: Iterable[str]) -> str:
    """Sentences below a heading of the second level."""
    lines = "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
    return f"<h2>{title}</h2>\n<ul>{lines or '<li>Nothing.</li>'}</ul>"


def _missing(each: Mapping[str, str]) -> str:
    whose = f" of {each['cio_id']}" if "cio_id" in each else ""
    return f"{_word(each['what'])}{whose}: {each['why']}"


def _cell(name: str, value: Any) -> str:
    return _text(_time(value) if name in _TIMES else value)


def _time(value: Any) -> Any:
    """A unix second as people write it; anything else as it is."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 33:
        return rfc3339(value).replace("T", " ").replace("Z", " UTC")
    return value


def _text(value: Any) -> str:
    """Anything, harmless within a page."""
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
