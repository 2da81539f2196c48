"""Sentences about stream maps and flattening."""

from __future__ import annotations

from tap_customerio.errors.base import TapError


def bad_map(stream: str, field: str | None, reason: str) -> TapError:
    """A stream map with an invalid rule."""
    place = f"stream {stream!r}" if field is None else f"stream {stream!r}, field {field!r}"
    end = "" if reason.endswith("?") else "."
    return TapError(f"Setting stream_maps, {place}: {reason}{end}")


def unusable_map(error: Exception) -> TapError:
    """The SDK rejects a stream map; its message may quote a secret of an expression."""
    return TapError(
        f"Setting stream_maps or flattening cannot be used ({type(error).__name__}): see "
        "https://sdk.meltano.com/en/latest/stream_maps.html."
    )


def same_column(stream: str) -> TapError:
    """Flattening would give two members the same column."""
    return TapError(
        f"Stream {stream!r}: flattening gives two of its columns the same name: raise "
        "flattening_max_key_length, set another flattening_separator, or rename the field that "
        "stream_maps adds."
    )


def short_key(stream: str, key: str) -> TapError:
    """Flattening would rename a key in records, but not in key_properties."""
    return TapError(
        f"Stream {stream!r}: flattening_max_key_length would shorten its key {key!r}: set more "
        f"than {len(key)}."
    )
