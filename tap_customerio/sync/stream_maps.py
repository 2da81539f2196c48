"""Stream maps: checks before any request, reasons for failures, and records within the schema."""

from __future__ import annotations

import ast
import re
from contextlib import contextmanager
from fnmatch import fnmatch
from importlib.util import find_spec
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import simpleeval
from singer_sdk.exceptions import MappingError
from singer_sdk.mapper import (
    MAPPER_ALIAS_OPTION,
    MAPPER_ELSE_OPTION,
    MAPPER_FILTER_OPTION,
    MAPPER_KEY_PROPERTIES_OPTION,
    MAPPER_SOURCE_OPTION,
    NULL_STRING,
    CustomStreamMap,
    RemoveRecordTransform,
)

from tap_customerio import errors
from tap_customerio.streams.schema import canonical, json_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from singer_sdk.mapper import PluginMapper, StreamMap

    from tap_customerio.streams.schema import Schema

_OPTIONS = {
    *(MAPPER_ALIAS_OPTION, MAPPER_ELSE_OPTION, MAPPER_FILTER_OPTION, MAPPER_SOURCE_OPTION),
    MAPPER_KEY_PROPERTIES_OPTION,
}
_NOTHING = (None, NULL_STRING)
_GIVEN = {"_", "record", "config", "__stream_name__", "__original_stream_name__"}
_ALIKE = 0.8


def map_errors(maps: Any, schemas: Mapping[str, Schema]) -> list[str]:
    """Errors in the setting `stream_maps`, one sentence per stream."""
    if not isinstance(maps, dict):
        return (
            []
            if maps is None
            else [str(errors.stream_maps.bad_map("*", None, "it is not a JSON object"))]
        )
    sentences = (_map_error(name, rules, schemas) for name, rules in maps.items())
    return [sentence for sentence in sentences if sentence]


def _map_error(name: str, rules: Any, schemas: Mapping[str, Schema]) -> str | None:
    try:
        _check(name, rules, schemas)
    except errors.TapError as error:
        return str(error)
    return None


def _check(name: str, rules: Any, schemas: Mapping[str, Schema]) -> None:
    if name == MAPPER_ELSE_OPTION:
        if rules not in _NOTHING:
            raise errors.stream_maps.bad_map(name, None, "it can only be null")
    elif name.startswith("__"):
        raise errors.stream_maps.bad_map(name, None, "there is no such option")
    else:
        _check_stream(name, rules, schemas)


def _check_stream(name: str, rules: Any, schemas: Mapping[str, Schema]) -> None:
    if rules not in _NOTHING and not isinstance(rules, dict):
        raise errors.stream_maps.bad_map(
            name, None, "give an object of fields, or null to drop the stream"
        )
    rules = rules or {}
    source = rules.get(MAPPER_SOURCE_OPTION, name) if isinstance(rules, dict) else name
    streams = [stream for stream in schemas if fnmatch(stream, str(source))]
    if not streams:
        raise errors.stream_maps.bad_map(
            name, None, errors.names.no_such("stream", str(source), schemas)
        )
    if isinstance(rules, dict):
        _Rules(name, rules, [schemas[stream] for stream in streams]).check()


class _Rules:
    """The rules of `stream_maps` for one stream, or for all streams that match a pattern."""

    def __init__(self, stream: str, rules: Mapping[str, Any], schemas: Iterable[Schema]) -> None:
        """Collect the fields that rules may name."""
        self._stream = stream
        self._rules = rules
        self._fields: dict[str, Schema] = {}
        self._keys: set[str] = set()
        for schema in schemas:
            self._fields.update(schema["properties"])
            self._keys.update(schema["required"])
        self._functions = _functions()

    def check(self) -> None:
        """Check every rule.

        Raises:
            TapError: The first rule that cannot work.
        """
        for name, rule in self._rules.items():
            if name.startswith("__"):
                self._check_option(name, rule)
            elif rule in _NOTHING:
                self._check_removal(name)
            elif isinstance(rule, str):
                self._check_field(name)
                self._check_expression(name, rule)
            else:
                raise self._bad(name, "give an expression as text, or null to drop the field")

    def _check_option(self, name: str, rule: Any) -> None:
        if name not in _OPTIONS:
            raise self._bad(name, errors.names.no_such("option", name, _OPTIONS))
        if name == MAPPER_ALIAS_OPTION and MAPPER_SOURCE_OPTION in self._rules:
            raise self._bad(name, "with __source__ the stream's name here is the alias already")
        if name == MAPPER_ELSE_OPTION:
            self._check_else(rule)
        if name == MAPPER_FILTER_OPTION and rule is not None:
            self._check_expression(name, rule)
        if name == MAPPER_ALIAS_OPTION:
            self._parse(name, rule)
        if name == MAPPER_KEY_PROPERTIES_OPTION:
            self._check_keys(rule)

    def _check_else(self, rule: Any) -> None:
        if rule not in _NOTHING:
            raise self._bad(MAPPER_ELSE_OPTION, "it can only be null")
        keys = self._rules.get(MAPPER_KEY_PROPERTIES_OPTION, sorted(self._keys))
        for key in keys if isinstance(keys, list) else ():
            if key in self._rules:
                continue
            raise self._bad(MAPPER_ELSE_OPTION, f"it drops the key {key!r}: add '{key}: {key}'")

    def _check_keys(self, keys: Any) -> None:
        if not isinstance(keys, list | None):
            raise self._bad(MAPPER_KEY_PROPERTIES_OPTION, "give a list of fields, or null")
        removed = {name for name, rule in self._rules.items() if rule in _NOTHING}
        left = {*self._fields, *self._rules} - removed
        for key in keys or ():
            if key not in left:
                reason = errors.names.no_such("field", str(key), left)
                raise self._bad(MAPPER_KEY_PROPERTIES_OPTION, reason)

    def _check_removal(self, name: str) -> None:
        self._check_nested(name)
        if name not in self._fields:
            raise self._bad(name, errors.names.no_such("field", name, self._fields))
        if name in self._keys and MAPPER_KEY_PROPERTIES_OPTION not in self._rules:
            raise self._bad(
                name, "it is a key and cannot be dropped, unless __key_properties__ names others"
            )

    def _check_field(self, name: str) -> None:
        """Accept a new field, unless its name looks like a misspelled existing one."""
        if name in self._fields:
            return
        self._check_nested(name)
        others = [field for field in self._fields if field not in self._rules]
        for field in errors.names.alike(name, others, _ALIKE):
            uses = re.search(rf"\b{re.escape(field)}\b", self._rules[name])
            if field not in name and (uses or _is_slip(name, field)):
                reason = errors.names.no_such("field", name, [field])
                raise self._bad(name, f"{reason} For both, add '{field}: {field}'")

    def _check_nested(self, name: str) -> None:
        for separator in ("__", "."):
            field, _, member = name.partition(separator)
            members = self._fields.get(field, {}).get("properties", {})
            if any(_is_slip(member.partition(separator)[0], known) for known in members):
                raise self._bad(
                    name, f"maps see records before they are flattened: name the whole {field!r}"
                )

    def _check_expression(self, name: str, text: Any) -> None:
        tree = self._parse(name, text)
        calls = [call.func for call in ast.walk(tree) if isinstance(call, ast.Call)]
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        known = {*self._fields, *_GIVEN, *self._functions}
        known |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        known |= {"self"} if name in self._fields else set()
        known |= {"fake"} if find_spec("faker") else set()
        for node in names:
            if node in calls and node.id not in self._functions:
                raise self._bad(name, errors.names.no_such("function", node.id, self._functions))
            if node.id == "fake" and node.id not in known:
                raise self._bad(name, "'fake' needs an extra: pip install 'singer-sdk[faker]'")
            if node.id not in known:
                raise self._bad(name, errors.names.no_such("field", node.id, self._fields))

    def _parse(self, name: str, text: Any) -> ast.Expr:
        try:
            [tree] = ast.parse(text).body
        except SyntaxError as error:
            reason = f"it is not an expression, see column {error.offset}"
            raise self._bad(name, reason) from None
        except (MemoryError, RecursionError, TypeError, ValueError):
            raise self._bad(name, "it is not an expression") from None
        if not isinstance(tree, ast.Expr):
            raise self._bad(name, "it is not an expression")
        return tree

    def _bad(self, field: str, reason: str) -> errors.TapError:
        return errors.stream_maps.bad_map(self._stream, field, reason)


def _is_slip(name: str, meant: str) -> bool:
    """Whether two names differ by one missing, extra, changed or swapped letter."""
    start = _shared(name, meant)
    name, meant = name[start:], meant[start:]
    end = _shared(name[::-1], meant[::-1])
    name, meant = name[: len(name) - end], meant[: len(meant) - end]
    longest = max(len(name), len(meant))
    return longest <= 1 or (longest == 2 and name == meant[::-1])  # noqa: PLR2004 - two letters


def _shared(one: str, other: str) -> int:
    """Length of the common prefix."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in same)


def _functions() -> Mapping[str, Any]:
    """Functions that expressions may call."""
    return CustomStreamMap("", {}, {}, {"properties": {}}, None, {}, None).functions


@contextmanager
def errors_of_maps() -> Iterator[None]:
    """Turn errors of the SDK into one about the settings."""
    try:
        yield
    except (LookupError, MappingError, NotImplementedError, TypeError, ValueError) as error:
        raise errors.stream_maps.unusable_map(error) from error


def add(mapper: PluginMapper, stream: str, schema: Schema, keys: Sequence[str]) -> None:
    """Create the maps of a stream, which explain their failures and emit only known fields.

    Raises:
        TapError: The maps are invalid.
    """
    with errors_of_maps():
        try:
            mapper.register_raw_stream_schema(stream, schema, keys)
        except ValueError:  # from the SDK, without stream maps, for flattening
            raise errors.stream_maps.same_column(stream) from None
    for each in mapper.stream_maps[stream]:
        each.transformed_schema = canonical(each.transformed_schema)
        if not isinstance(each, RemoveRecordTransform):
            _finish_keys(stream, each)
        if isinstance(each, CustomStreamMap):
            each._eval = _explained(stream, each._eval)  # type: ignore[method-assign]  # noqa: SLF001
        if each.flattening_enabled:
            each.flatten_record = _within_schema(stream, each)  # type: ignore[assignment,method-assign]


def _finish_keys(stream: str, stream_map: StreamMap) -> None:
    """Fix the SDK's keys: it makes mapped keys nullable, and shortens only the key's column."""
    schema, own = stream_map.transformed_schema, stream_map.raw_key_properties or ()
    keys = list(stream_map.transformed_key_properties or ())
    stream_map.transformed_key_properties = keys  # the SDK omits None from the message
    for key in keys:
        if key not in schema["properties"]:
            raise errors.stream_maps.short_key(stream, key)
        if key in own:
            kind = schema["properties"][key]
            schema["properties"][key] = {**kind, "type": json_type(kind)}
    schema["required"] = [key for key in own if key in schema["properties"]]


def _explained(stream: str, evaluate: Callable[..., Any]) -> Callable[..., Any]:
    def explained(
        expr: str, expr_parsed: ast.Expr, record: dict[str, Any], property_name: str | None
    ) -> Any:
        try:
            return evaluate(expr, expr_parsed, record, property_name)
        except Exception as error:  # noqa: BLE001 - an expression may raise anything
            field = property_name or MAPPER_FILTER_OPTION
            raise errors.stream_maps.bad_map(stream, field, _reason(error)) from None

    return explained


def _reason(error: Exception) -> str:
    """Why an expression failed on a record, without values."""
    cause = error.__cause__ or error
    if isinstance(cause, simpleeval.NameNotDefined):
        return f"it uses {cause.name!r}, which is not selected"
    if isinstance(cause, simpleeval.AttributeDoesNotExist):
        return f"a value has no {cause.attr!r}; where it may be null, write '… if … else None'"
    return (
        f"it fails with {type(cause).__name__} on a record; where a value may be null, write "
        "'… if … else None'"
    )


def _within_schema(
    stream: str, stream_map: StreamMap
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Drop null objects, which the SDK leaves in flattened records."""
    flatten = stream_map.flatten_record
    known = stream_map.transformed_schema["properties"]

    def flattened(record: dict[str, Any]) -> dict[str, Any]:
        flat = flatten(record)
        if flat.keys() <= known.keys():
            return flat
        for name, value in flat.items():
            if name not in known and value is not None:
                raise errors.stream_maps.bad_map(
                    stream, name, "its value is not the object that its schema says: use str(…)"
                )
        return {name: value for name, value in flat.items() if name in known}

    return flattened
