"""Batch files of mapped records; the SDK's own batch files ignore stream maps and selection."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from singer_sdk.batch import Batcher, lazy_chunked_generator
from singer_sdk.helpers._batch import SDKBatchMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.singerlib import RecordMessage


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
