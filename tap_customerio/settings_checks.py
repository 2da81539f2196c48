"""Checks of the settings, before any request."""

from __future__ import annotations

import ipaddress
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo

import jsonschema

from tap_customerio import errors, windows
from tap_customerio.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SECRETS = {name for name, kind in SETTINGS["properties"].items() if kind.get("secret")}
_TOLERANCE = windows.DAY
_MISSPELT = 0.8
"""An unknown setting at least this similar to a known one counts as misspelled."""

_API_LIMIT = 10
DATES = "write 2024-01-31, or 2024-01-31T12:00:00Z (UTC)"


def _is_number(_: jsonschema.TypeChecker, value: Any) -> bool:
    """Whether a value is a number that a float can hold; Python's JSON has NaN and Infinity."""
    return type(value) in {int, float} and abs(value) <= sys.float_info.max


_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft7Validator,
    type_checker=jsonschema.Draft7Validator.TYPE_CHECKER.redefine("number", _is_number),
)


def misspelt(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Sentences about unknown settings with a similar known name; they have no effect."""
    near = [(name, errors.names.alike(name, known, _MISSPELT)) for name in names]
    return [errors.inputs.misspelt_setting(name, found[0]) for name, found in near if found]


def warnings(config: Mapping[str, Any], known: Iterable[str]) -> list[str]:
    """Warnings about a configuration that works, one sentence each."""
    found = [
        errors.inputs.unknown_setting(name, errors.names.alike(name, known))
        for name in config
        if name not in known
    ]
    rate = config.get("requests_per_second") or 0
    if rate > _API_LIMIT and not config.get("api_url"):
        found.append(errors.inputs.beyond_the_limit(rate, _API_LIMIT))
    return found


def validation_errors(config: Mapping[str, Any]) -> list[str]:
    """Errors in the values of a configuration, one sentence each, without secrets."""
    shape = [_sentence(error) for error in _Validator(SETTINGS).iter_errors(config)]
    return shape or [
        *_time_errors(config),
        *_url_errors(config),
        *_budget_errors(config),
        *_pair_errors(config),
        *_header_errors(config),
    ]


def _sentence(error: jsonschema.ValidationError) -> str:
    if error.validator == "required":
        name = error.message.split("'")[1]
        return f"Setting {name} is missing: {_about(name)}"
    if not error.absolute_path:
        return "The configuration is not a JSON object of settings."
    name = str(error.absolute_path[0])
    if error.validator == "minLength":
        return f"Setting {name} is empty. {_about(name)}"
    shown = "***" if name in _SECRETS else repr(error.instance)
    return f"Setting {name} is {shown}, which {_rule(error)}. {_about(name)}"


def _rule(error: jsonschema.ValidationError) -> str:
    wanted = error.validator_value
    return {
        "type": f"is not of type {_types(wanted)}",
        "enum": f"is not one of {_types(wanted)}",
        "minimum": f"is less than {wanted}",
        "maximum": f"is more than {wanted}",
        "exclusiveMinimum": f"is not more than {wanted}",
    }.get(str(error.validator), "is not allowed")


def _types(wanted: Any) -> str:
    names = wanted if isinstance(wanted, list) else [wanted]
    return ", ".join(str(name) for name in names if name not in ("null", None))


def _about(name: str) -> str:
    return str(SETTINGS["properties"][name]["description"])


def _time_errors(config: Mapping[str, Any]) -> Iterator[str]:
    times: dict[str, int] = {}
    for name in ("start_date", "end_date"):
        if not (value := config.get(name)):
            continue
        try:
            times[name] = windows.parse(value)
        except (ValueError, OverflowError):
            yield f"Setting {name} is {value!r}, which is not a date: {DATES}."
            continue
        # A day of tolerance: the local clock may be wrong, and only the API's clock counts.
        if times[name] > time.time() + _TOLERANCE:
            yield f"Setting {name} is {value!r}, in the future: choose an earlier time."
    if times.keys() >= {"start_date", "end_date"} and times["start_date"] >= times["end_date"]:
        yield (
            f"Setting start_date is {config['start_date']!r}, not before end_date "
            f"{config['end_date']!r}: swap them, or choose a later end_date."
        )
    try:
        ZoneInfo(config.get("metrics_timezone") or "UTC")
    except (OSError, ValueError, LookupError):
        yield (
            f"Setting metrics_timezone is {config['metrics_timezone']!r}, which is not an "
            "IANA time zone: write one such as Europe/Rome."
        )


def _url_errors(config: Mapping[str, Any]) -> Iterator[str]:
    for name in ("api_url", "track_api_url"):
        url = config.get(name)
        if not url:
            continue
        parts = _parts(url)
        if not parts.hostname or parts.scheme not in ("http", "https") or parts.username:
            yield f"Setting {name} is not an address such as https://api.customer.io: check it."
        elif parts.path.strip("/") or parts.query or parts.fragment:
            yield f"Setting {name} is {url!r}: leave only scheme, host and port, without /v1."
        elif parts.scheme == "http" and not _is_loopback_host(parts.hostname):
            yield f"Setting {name} is {url!r}: use https, or the key would be sent unencrypted."


def _parts(url: str) -> SplitResult:
    """The parts of a URL; empty for an invalid one."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port  # raises only on access
    except ValueError:
        return urlsplit("")
    return parts


def _budget_errors(config: Mapping[str, Any]) -> Iterator[str]:
    url = config.get("rate_limit_url")
    if not url:
        return
    parts = _parts(url)
    if parts.scheme == "file":
        folder = unquote(parts.path)
        # A relative path would be another folder for each process.
        is_absolute = folder.startswith("/") and folder.strip("/") and "\0" not in folder
        if parts.hostname not in {None, "localhost"} or not is_absolute:
            yield (
                "Setting rate_limit_url is ***, which names no absolute folder: write "
                "file:/path/to/folder."
            )
    elif parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        yield (
            "Setting rate_limit_url is ***, which is neither a Redis nor a folder: write "
            "redis://host:6379/0, rediss://… or file:/path/to/folder."
        )


def _pair_errors(config: Mapping[str, Any]) -> Iterator[str]:
    for name, other in (("site_id", "track_api_key"), ("track_api_key", "site_id")):
        if config.get(other) and not config.get(name):
            yield f"Setting {name} is missing: set it too, or remove {other}."


def _header_errors(config: Mapping[str, Any]) -> Iterator[str]:
    for name in ("app_api_key", "site_id", "track_api_key"):
        key = config.get(name) or ""
        if not key.isascii():
            yield (
                f"Setting {name} contains a character that no key has, such as a curly quote "
                "or a letter with an accent: copy the key again."
            )
        elif not key.isprintable() or " " in key:
            yield f"Setting {name} contains a space or a line break: leave only the key."
    agent = config.get("user_agent") or ""
    if not (agent.isascii() and agent.isprintable()) or agent != agent.strip():
        yield f"Setting user_agent is {agent!r}: leave only plain ASCII text, without line breaks."


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    return _is_loopback_host(_parts(url).hostname or "")


def _is_loopback_host(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
