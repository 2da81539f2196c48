"""Checks of user input before any request: environment variables, catalog and state."""

from __future__ import annotations

import io
import json
import logging
import math
import os
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import IO, TYPE_CHECKING, Any

import jsonschema
from singer_sdk.configuration._dict_config import parse_environment_config

from tap_customerio import errors
from tap_customerio.sync.catalog import fields
from tap_customerio.windows import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_customerio.streams.base import CustomerioStream

    StreamClasses = Mapping[str, type[CustomerioStream]]

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_NO_SETTINGS = {"debug", "loglevel", "evidence_key_file"}
_METHOD = {"enum": ["FULL_TABLE", "INCREMENTAL", None]}
_CATALOG = {
    "type": "object",
    "required": ["streams"],
    "properties": {
        "streams": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tap_stream_id"],
                "properties": {
                    "tap_stream_id": {"type": "string"},
                    "schema": {"type": "object"},
                    "key_properties": {"type": ["array", "null"], "items": {"type": "string"}},
                    "replication_key": {"type": ["string", "null"]},
                    "replication_method": _METHOD,
                    "metadata": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["breadcrumb", "metadata"],
                            "properties": {
                                "breadcrumb": {"type": "array", "items": {"type": "string"}},
                                "metadata": {
                                    "type": "object",
                                    "properties": {"replication-method": _METHOD},
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}

logger = logging.getLogger("tap-customerio.inputs")


def environment(schema: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Settings from the environment, converted to their types; text if that fails.

    Includes variables with the prefix that are not settings, so that the checks can name them.
    """
    names = {
        variable.removeprefix(prefix).lower()
        for variable in os.environ
        if variable.startswith(prefix) and not variable.startswith(f"{prefix}_")
    }
    wanted = {*schema["properties"], *(names - _NO_SETTINGS)}
    texts = {"properties": {name: {"type": "string"} for name in wanted}}
    found: dict[str, Any] = parse_environment_config(texts, prefix)
    string = {"type": ["string"]}
    return {
        name: _typed(text, schema["properties"].get(name, string)) for name, text in found.items()
    }


def normalized(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with numbers instead of digits, and known words in lower case.

    Meltano passes decimals as text. Null stands for the default.
    """
    kinds = schema["properties"]
    return {
        name: _normal(value, kinds.get(name, {}))
        for name, value in config.items()
        if value is not None or "default" not in kinds.get(name, {})
    }


def _normal(value: Any, schema: Mapping[str, Any]) -> Any:
    kinds = schema.get("type", ())
    if isinstance(value, str) and (word := value.strip().lower()) in schema.get("enum", ()):
        return word
    if isinstance(value, str) and {"integer", "number"}.intersection(kinds):
        with suppress(ValueError):
            number = json.loads(value)
            value = number if type(number) in {int, float} and math.isfinite(number) else value
    if "integer" in kinds and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def check_log_levels(variables: Mapping[str, str]) -> None:
    """Check the variables that set the log level.

    Raises:
        TapError: A variable holds something other than a level.
    """
    for name in ("TAP_CUSTOMERIO_LOGLEVEL", "LOGLEVEL"):
        if (value := variables.get(name)) and value.upper() not in _LEVELS:
            raise errors.inputs.bad_log_level(name, value, _LEVELS)


def checked_catalog(file: IO[str] | None, stream_classes: StreamClasses) -> IO[str] | None:
    """Return the catalog unchanged.

    Raises:
        TapError: It is not a catalog, or belongs to another tap.
    """
    if file is None:
        return None
    text = _text(file, "catalog")
    catalog = _object(text, "catalog")
    for error in jsonschema.Draft7Validator(_CATALOG).iter_errors(catalog):
        place = ".".join(str(step) for step in error.absolute_path) or "its top"
        raise errors.inputs.bad_catalog(place, _expected(error))
    selected = [entry for entry in catalog["streams"] if _selected(entry, stream_classes)]
    for entry in selected:
        _check_entry(entry, stream_classes)
    if not selected:
        logger.warning("The catalog selects no stream: nothing will be read.")
    return io.StringIO(text)


def check_selection(variables: Mapping[str, str], stream_classes: StreamClasses) -> None:
    """Check Meltano's `select` rules; Meltano ignores rules that match nothing.

    Raises:
        TapError: A rule matches no stream or no field.
    """
    for extra in ("SELECT", "SELECT_FILTER"):
        with suppress(ValueError):
            rules = json.loads(variables.get(f"MELTANO_EXTRACT__{extra}", "[]"))
            texts = [str(rule) for rule in rules] if isinstance(rules, list) else []
            for rule in texts:
                _check_rule(rule, texts, stream_classes)


def checked_state(file: IO[str] | None, stream_classes: StreamClasses) -> IO[str] | None:
    """Return the state unchanged.

    Raises:
        TapError: The run cannot continue from it; only the user may decide to start over.
    """
    if file is None:
        return None
    text = _text(file, "state")
    state = _object(text, "state")
    bookmarks = state.get("bookmarks", {} if not state else None)
    if not isinstance(bookmarks, dict):
        raise errors.inputs.bad_state()
    foreign = sorted(bookmarks.keys() - stream_classes.keys())
    if foreign and len(foreign) == len(bookmarks):
        raise errors.inputs.foreign_state(foreign)
    if foreign:
        logger.warning("The state has bookmarks of unknown streams: %s", foreign)
    for name in bookmarks.keys() & stream_classes.keys():
        _check_bookmark(name, bookmarks[name], stream_classes[name])
    return io.StringIO(text)


def _text(file: IO[str], what: str) -> str:
    try:
        return file.read().removeprefix("\ufeff")  # Windows writes a BOM
    except UnicodeDecodeError:
        raise errors.inputs.no_object(what, "save the file as UTF-8") from None


def _object(text: str, what: str) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise errors.inputs.no_object(what, f"{name} is not a number in JSON")

    if not text.strip():
        fix = f"the file is empty; leave out --{what} to start without one"
        raise errors.inputs.no_object(what, fix)
    try:
        found = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        place = f"look at line {error.lineno}, column {error.colno}"
        raise errors.inputs.no_object(what, place) from None
    except (RecursionError, ValueError):
        raise errors.inputs.no_object(what, "it nests too deeply") from None
    if not isinstance(found, dict):
        raise errors.inputs.no_object(what, "it must begin with { and end with }")
    return found


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    kinds = schema.get("type", [])
    if "string" in kinds:
        return text
    if "boolean" in kinds:
        return _BOOLEANS.get(text.strip().lower(), text)
    with suppress(ValueError):
        return json.loads(text)
    is_list = "array" in kinds and "string" in schema["items"].get("type", [])
    return text.split(",") if is_list else text


def _expected(error: jsonschema.ValidationError) -> str:
    """A message about the expected type; omits the actual value, which may be long."""
    wanted: Any = error.validator_value
    if error.validator == "required":
        return f"an object with {', '.join(wanted)}"
    names = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join(str(name) for name in names if name not in {None, "null"})


def _selected(entry: dict[str, Any], stream_classes: StreamClasses) -> bool:
    for item in entry.get("metadata", ()):
        if not item["breadcrumb"]:
            metadata = item["metadata"]
            return bool(metadata.get("selected", metadata.get("selected-by-default", False)))
    return entry["tap_stream_id"] in stream_classes


def _check_entry(entry: dict[str, Any], stream_classes: StreamClasses) -> None:
    name = entry["tap_stream_id"]
    if name not in stream_classes:
        raise errors.inputs.unknown_stream(name)
    _check_fields(entry, stream_classes[name])
    wanted, own = entry.get("replication_key"), _replication_key(stream_classes[name])
    if wanted is not None and wanted != own:
        raise errors.inputs.other_replication_key("catalog", name, wanted, own)


def _check_fields(entry: dict[str, Any], stream_class: type[CustomerioStream]) -> None:
    """Reject rules for fields that exist neither in the stream nor in the catalog."""
    own = dict(fields(stream_class.schema))
    known = own.keys() | {path for path, _ in fields(entry.get("schema", {}))}
    for item in entry.get("metadata", ()):
        path = tuple(item["breadcrumb"])
        parents = (own.get(path[:end], {}) for end in range(2, len(path), 2))
        is_open = any("additionalProperties" in parent for parent in parents)
        if path and path not in known and not is_open and "selected" in item["metadata"]:
            names = [".".join(each[1::2]) for each in own]
            raise errors.inputs.unknown_field(
                "catalog", stream_class.name, ".".join(path[1::2]), names
            )


def _check_rule(rule: str, rules: list[str], stream_classes: StreamClasses) -> None:
    stream, _, field = rule.lstrip("!~").strip().partition(".")
    found = [
        stream_class for name, stream_class in stream_classes.items() if fnmatchcase(name, stream)
    ]
    if not found:
        raise errors.inputs.unknown_selection(rule, stream, stream_classes)
    names = {
        ".".join(path[1::2]) for stream_class in found for path, _ in fields(stream_class.schema)
    }
    if field and not any(fnmatchcase(name, field) for name in names):
        whole = rule.removesuffix(".*")  # an object without declared members is selected as a whole
        if not rule.startswith("!") and any(
            fnmatchcase(whole, other) for other in {*rules} - {rule}
        ):
            return
        raise errors.inputs.unknown_field("rule of select", stream, field, sorted(names))


def _check_bookmark(name: str, bookmark: Any, stream_class: type[CustomerioStream]) -> None:
    key = _replication_key(stream_class)
    if not isinstance(bookmark, dict):
        raise errors.inputs.bad_bookmark(name)
    if key is None or not bookmark:
        return
    wanted: object = bookmark.get("replication_key", key)
    value: Any = bookmark.get("replication_key_value")
    if wanted != key:
        raise errors.inputs.other_replication_key("state", name, wanted, key)
    try:
        parse(value)
    except (OverflowError, TypeError, ValueError):
        raise errors.inputs.bad_bookmark(name) from None


def _replication_key(stream_class: type[CustomerioStream]) -> str | None:
    key: object = stream_class.replication_key
    return key if isinstance(key, str) else None
