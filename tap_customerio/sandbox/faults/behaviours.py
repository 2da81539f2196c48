"""Options for the behaviour of the live API where it is unknown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Behaviours:
    """Behaviours that are unknown for the live API, so that tests can try both ways.

    Attributes:
        aligned_buckets: Version 2 cuts at hours, days, weeks and months of the calendar in `tz`;
            otherwise it counts from `start`.
        includes_end_bucket: A window that ends on the edge of a bucket includes the next bucket.
        echoes_window: `start` and `end` of the response repeat the request, not the buckets.
        forgets_old: Deliveries older than six months are missing from all windows.
        lists_root_only: Lists of assets and designs hold only items outside folders, unless a
            folder is requested.
        hides_deleted: The log omits entries about deleted people unless `deleted` is true.
        listing_lag: Maximum seconds until a new delivery appears in lists.
        erasure_takes: Seconds until an erased person disappears from the App API.
        changes_take: Seconds until a changed attribute or opt-out can be read.
        blocks_by_cio_id: Suppressing a person by cio_id also blocks their other identifiers.
        prefixed_paths: Paths of people accept cio_ids only with their prefix, `cio_`.
        without: Paths, or patterns with `*`, that the key has no permission for (403).
        lacking: Paths, or patterns with `*`, that the account's plan does not include (404).
    """

    aligned_buckets: bool = True
    includes_end_bucket: bool = False
    echoes_window: bool = False
    forgets_old: bool = False
    lists_root_only: bool = False
    hides_deleted: bool = False
    listing_lag: int = 0
    erasure_takes: int = 0
    changes_take: int = 0
    blocks_by_cio_id: bool = True
    prefixed_paths: bool = False
    without: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
