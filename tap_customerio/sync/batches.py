"""Batch files of mapped records; the SDK's own batch files ignore stream maps and selection."""

from __future__ import annotations

from collections import defaultdict
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import fsspec  # type: ignore[import-untyped]
from singer_sdk.batch import Batcher, lazy_chunked_generator
from singer_sdk.helpers._batch import SDKBatchMessage

from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.singerlib import RecordMessage


def batch_errors(config: Any) -> list[str]:
    """Errors in the setting `batch_config` beyond its schema, one sentence each."""
    if not isinstance(config, dict) or not config:
        return []
    encoding, storage = config.get("encoding"), config.get("storage")
    size, found = config.get("batch_size"), []
    if isinstance(size, int) and size < 1:
        found.append(errors.inputs.bad_batches(f"batch_size {size} is less than 1"))
    if isinstance(encoding, dict) and encoding.get("format") == "parquet" and not _has("pyarrow"):
        found.append(errors.inputs.bad_batches("parquet files need 'pip install pyarrow'"))
    if isinstance(storage, dict) and isinstance(root := storage.get("root"), str):
        try:
            fsspec.get_filesystem_class(fsspec.core.split_protocol(root)[0] or "file")
        except (ImportError, ValueError) as error:
            found.append(errors.inputs.bad_batches(f"root cannot be used: {error}"))
    return found


def _has(module: str) -> bool:
    return find_spec(module) is not None


def batch_messages(
    tap_name: str, config: BatchConfig, records: Iterable[list[RecordMessage]]
) -> Iterator[list[SDKBatchMessage]]:
    """Write files, and yield the messages that announce them.

    `records` yields the messages of each record, one per mapped stream. A yielded list of messages
    covers all records taken so far, so that state may follow it.
    """
    for chunk in lazy_chunked_generator(records, config.batch_size):
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for messages in chunk:
            for message in messages:
                rows[message.stream].append(message.record)
        yield [
            SDKBatchMessage(stream=stream, encoding=config.encoding, manifest=manifest)
            for stream, found in rows.items()
            for manifest in Batcher(tap_name, stream, config).get_batches(iter(found))
        ]
