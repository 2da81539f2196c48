"""Filters of the searches for people and objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_customerio.sandbox.world.people import People

Predicate = Callable[[int], bool]
Leaf = Callable[[Any], Predicate]


def everyone(_number: int) -> bool:
    """The meaning of `cio_id exists`."""
    return True


def predicate(condition: object, people: People, now: float) -> Predicate:
    """A filter as a predicate on a person's number.

    Raises:
        ValueError: The filter is malformed.
    """
    return grouped(
        condition,
        {
            "segment": lambda value: _in_segment(value, people, now),
            "attribute": lambda value: _by_attribute(value, people, now),
        },
    )


def grouped(condition: object, leaves: Mapping[str, Leaf]) -> Predicate:
    """Nested conditions as a predicate on a number.

    Raises:
        ValueError: The filter is malformed.
    """
    if not isinstance(condition, dict) or len(condition) != 1:
        raise ValueError("a filter has exactly one key")
    ((key, value),) = condition.items()
    if key in leaves:
        return leaves[key](value)
    if key not in _GROUPS:
        raise ValueError(f"unknown condition {key}")
    return _GROUPS[key](value, leaves)


def _parts(value: object, leaves: Mapping[str, Leaf]) -> list[Predicate]:
    if not isinstance(value, list) or not value:
        raise ValueError("a group holds at least one filter")
    return [grouped(part, leaves) for part in value]


def _all_of(value: object, leaves: Mapping[str, Leaf]) -> Predicate:
    parts = [part for part in _parts(value, leaves) if part is not everyone]
    return (lambda number: all(part(number) for part in parts)) if parts else everyone


def _any_of(value: object, leaves: Mapping[str, Leaf]) -> Predicate:
    parts = _parts(value, leaves)
    return everyone if everyone in parts else lambda number: any(part(number) for part in parts)


def _none_of(value: object, leaves: Mapping[str, Leaf]) -> Predicate:
    part = grouped(value, leaves)
    return lambda number: not part(number)


_GROUPS = {"and": _all_of, "or": _any_of, "not": _none_of}


def _in_segment(value: object, people: People, now: float) -> Predicate:
    match value:
        case {"id": int(segment), **others} if not others and segment is not True:
            return lambda number: people.is_member(segment, number, now)
    raise ValueError("a segment is named by its id")


def _by_attribute(value: object, people: People, now: float) -> Predicate:
    match value:
        case {"field": "cio_id", "operator": "exists", **others} if not others:
            return everyone
        case {"field": str(field), "operator": "exists", **others} if not others:
            return lambda number: field in people.attributes(number, now)
        case {"field": str(field), "operator": "eq", "value": sought, **others} if not others:
            wanted = _text(sought)
            return lambda number: people.attributes(number, now).get(field) == wanted
    raise ValueError("an attribute is matched with exists, or with eq and a value")


def _text(value: object) -> str:
    """The value in the form of attributes."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, list | dict):
        raise ValueError("a value is text, a number, or true or false")
    return str(value)
