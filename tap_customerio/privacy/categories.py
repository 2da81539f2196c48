"""Categories of personal data, guessed from a field's name and the shape of its values."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CATEGORIES = {
    "special": "health, belief, origin, politics, sex life, biometrics",
    "contact": "e-mail address, phone number, postal address",
    "identifier": "of a person, an account, or something they did",
    "name": "of a person or organisation",
    "demographic": "age, gender, language, family, work",
    "location": "place, coordinates, time zone",
    "device": "device or online identifier: IP address, token, browser",
    "financial": "payment, price, income",
    "consent": "subscriptions and opt-outs",
    "behaviour": "what was done, and when",
    "free text": "which may hold anything",
    "other": "no sign of a category, yet about a person or thing",
}
"""Categories and their meanings, the most sensitive first."""

_BY_NAME = {
    "special": "health medical diagnos\\w* disab\\w* allerg\\w* pregnan\\w* religio\\w* faith "
    "ethnic\\w* race political party union sexual\\w* orientation biometric\\w* genetic\\w* "
    "blood dietary diet",
    "consent": "unsubscribed consent optin optout opted gdpr subscription_preferences marketing",
    "contact": "email e?mail phone mobile tel telephone whatsapp address street recipient fax "
    "cc bcc reply_to",
    "name": "name firstname lastname surname fullname nickname forename",
    "location": "country city region state zip postcode postal latitude longitude lat lng lon "
    "location timezone geo county",
    "device": "ip device token useragent agent browser os platform push cookie idfa gaid imei mac",
    "financial": "iban card bank account_number salary income price amount total revenue payment "
    "currency invoice vat tax ltv balance",
    "demographic": "age birth\\w* dob gender sex language locale nationality marital children job "
    "occupation title company employer education",
    "identifier": "id uuid guid ssn passport username login userid customerid handle external "
    "created_by updated_by",
    "free text": "note notes comment comments message description subject body bio feedback reason",
    "behaviour": "at last first count visits visited seen clicked opened created updated date time "
    "timestamp url page referrer score",
}
_NAMES = {
    category: re.compile(rf"(?:^|_)(?:{'|'.join(words.split())})(?:_|$)")
    for category, words in _BY_NAME.items()
}
_SHAPES = {
    "contact": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+[\d ()./-]{7,20}"),
    "device": re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|(?=.*:.*:)[0-9a-fA-F:]{6,39}|Mozilla/.*"),
    "location": re.compile(r"-?\d{1,3}\.\d{3,},\s*-?\d{1,3}\.\d{3,}"),
    "identifier": re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "behaviour": re.compile(r"https?://\S+|\d{4}-\d\d-\d\dT\d\d:.*|1[0-9]{9}(?:\d{3})?"),
    "free text": re.compile(r"(?=(?:\S+\s+){4}).{25,}|.{200,}", re.DOTALL),
}
_STRONG = ("contact", "device", "location")
_COLUMNS = ("source", "name", "category")


class Guess(NamedTuple):
    """A category, and the evidence for it."""

    category: str
    by: str


class Shapes:
    """Counts the shapes of a field's values; stores no value."""

    def __init__(self) -> None:
        self._seen = 0
        self._counts: dict[str, int] = {}

    def see(self, value: Any) -> None:
        """Count a value."""
        text = value if isinstance(value, str) else str(value)
        self._seen += 1
        for category, shape in _SHAPES.items():
            if shape.fullmatch(text.strip()):
                self._counts[category] = self._counts.get(category, 0) + 1
                return

    def most(self, categories: Iterable[str]) -> str | None:
        """The first of these shapes that at least half of the values have."""
        half = max(1, self._seen) / 2
        return next((c for c in categories if self._counts.get(c, 0) >= half), None)


def guess(name: str, shapes: Shapes) -> Guess:
    """The category of a field: by a sensitive name, then by clear values, then by name."""
    named = by_name(name)
    if named == "special":
        return Guess(named, "name")
    strong = shapes.most(_STRONG)
    if strong:
        return Guess(strong, "name and values" if strong == named else "values")
    if named:
        return Guess(named, "name and values" if shapes.most([named]) else "name")
    weak = shapes.most(_SHAPES)
    return Guess(weak, "values") if weak else Guess("other", "neither")


def is_value(name: str) -> bool:
    """Whether a name is itself a value, such as a phone number used as an object's key."""
    shapes = (_SHAPES[category] for category in ("contact", "device", "location", "identifier"))
    return any(shape.fullmatch(name.strip()) for shape in shapes)


def by_name(name: str) -> str | None:
    """The category suggested by a name; splits camelCase and dots into words."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    plain = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    if plain == "from":  # a sender; the word means nothing as a part of a name
        return "contact"
    return next((c for c, pattern in _NAMES.items() if pattern.search(plain)), None)


def read_corrections(path: Path) -> dict[tuple[str, str], str]:
    """Categories set by a person, by source and name of the field.

    Raises:
        TapError: The file cannot be read, or contains an unknown category.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise errors.commands.not_utf8(str(path)) from None
    except OSError as error:
        raise errors.privacy.bad_corrections(str(path), error.strerror or "") from None
    delimiter = next((sign for sign in text if sign in ",;"), ",")
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    if not {*_COLUMNS} <= {*(rows.fieldnames or ())}:
        raise errors.privacy.bad_corrections(
            str(path), "it has no columns source, name and category"
        )
    found = {}
    for row in rows:
        source, name, category = ((row[column] or "").strip() for column in _COLUMNS)
        if category not in CATEGORIES:
            raise errors.privacy.no_such_category(category, rows.line_num, list(CATEGORIES))
        found[unguarded(source), unguarded(name)] = category
    return found


def guarded(text: str) -> str:
    """A text that spreadsheets do not interpret as a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def unguarded(text: str) -> str:
    """The inverse of `guarded`."""
    return text[1:] if text[:1] == "'" and guarded(text[1:]) == text else text
