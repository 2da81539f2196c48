"""Habits of the live API that no one has been able to see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Behaviours:
    """What no one knows about the live API, to be tried both ways.

    Attributes:
        aligned_buckets: Version 2 cuts at hours, days, weeks and months of the calendar in `tz`;
            otherwise it counts from `start`.
        includes_end_bucket: A window whose end is the edge of a bucket gets that bucket too.
        echoes_window: `start` and `end` of the answer repeat the question, not the buckets.
        forgets_old: Deliveries older than six months are gone, whatever the window.
        lists_root_only: Assets and designs are listed with what lies in no folder, unless a folder
            is named.
        hides_deleted: The log leaves out what is about deleted people unless `deleted` is true.
        listing_lag: Deliveries appear in lists up to so many seconds after their creation.
        erasure_takes: It takes so many seconds until someone erased is gone from the App API.
        changes_take: It takes so many seconds until a changed attribute or opt-out can be read.
        blocks_by_cio_id: Suppressing someone by cio_id blocks their other identifiers as well.
        prefixed_paths: Paths of people take cio_ids only with their prefix, `cio_`.
        without: Paths, or patterns with `*`, that the key has no permission for: 403.
        lacking: Paths, or patterns with `*`, that are no part of the account's plan: 404.
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
