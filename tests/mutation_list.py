"""The mutations of `mutations.py`: important lines, broken, and the fast tests that must fail."""

from __future__ import annotations

from typing import NamedTuple

PACKAGE = "tap_customerio"


class Mutation(NamedTuple):
    """One line of the package, correct and with a mistake."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    """Files or ids of tests; at least one must fail."""

    def apply(self, source: str) -> str:
        """The source with the mistake.

        Raises:
            ValueError: The line does not occur exactly once.
        """
        if (count := source.count(self.old)) != 1:
            raise ValueError(f"{self.file} has {count} times, not once: {self.old!r}")
        return source.replace(self.old, self.new)


def _of(file: str, *mutations: tuple[str, ...]) -> list[Mutation]:
    """Mutations of one file, each as name, old, new and tests."""
    return [
        Mutation(name, file, old, new, tuple(f"tests/{test}" for test in tests))
        for name, old, new, *tests in mutations
    ]


_ENGINE = _of(
    "sync/engine.py",
    (
        "what a split leaves comes last",
        "queue.jobs.insert(place + number, ",
        "queue.jobs.append(",
        "test_engine.py::test_the_rest_of_a_split_slice_follows_in_place_and_the_slice_never_finishes",
    ),
    (
        "the buffer has no bound",
        "full = (queue.buffered_bytes if current else others) >= self._buffer_bytes",
        "full = False",
        "test_engine.py::test_no_more_is_read_ahead_than_the_buffer_allows",
    ),
    (
        "a slice fails in silence",
        "if job.error is not None:",
        "if job.error is not None and job.pages:",
        "test_engine.py::test_a_failing_slice_fails_in_order",
    ),
)

_WINDOWS = _of(
    "windows.py",
    (
        "windows are wider than the API takes",
        "LONGEST_PERIOD = 180 * DAY",
        "LONGEST_PERIOD = 190 * DAY",
        "test_windows.py::test_windows_grow_to_180_days_and_no_further",
    ),
    (
        "windows leave a second between them",
        "            start = window.end\n",
        "            start = window.end + 1\n",
        "test_windows.py::test_windows_partition_the_range_with_any_known_density",
    ),
    (
        "weeks begin on Monday",
        "day.isoweekday() % 7",
        "day.weekday()",
        "test_windows.py::test_buckets_start_with_the_local_day",
    ),
    (
        "shards of a backfill overlap",
        "for place in (number - 1, number))",
        "for place in (max(0, number - 2), number))",
        "test_windows.py::test_any_number_of_shares_are_consecutive_and_about_equal",
    ),
) + _of(
    "streams/messages.py",
    (
        "a window's last second is read twice",
        '"end_ts": window.end - 1,',
        '"end_ts": window.end,',
        "streams/test_messages.py::test_equal_seconds_at_the_edges_of_windows_are_read_once",
    ),
    (
        "deliveries are read from start_date every time",
        "self._read_until = max(first, self.bookmark(self.last) or BEGINNING)",
        "self._read_until = first",
        "streams/test_messages.py::test_a_second_run_reads_only_new_deliveries",
    ),
)

_BOOKMARKS = _of(
    "streams/base.py",
    (
        "a bookmark goes back",
        "if current is None or moment > current:",
        "if moment:",
        "test_bookmarks.py::test_an_earlier_end_never_moves_the_bookmark_of_a_list_back",
    ),
    (
        "a bookmark passes the present",
        "moment = min(moment, self.client.present)",
        "moment = int(moment)",
        "faults/test_values.py::test_times_in_the_future_move_no_bookmark_there",
    ),
    (
        "a bookmark passes a failed slice",
        "if job.not_split and self.outcome.is_complete:",
        "if job.not_split:",
        "faults/test_lasting.py::test_a_failure_half_way_keeps_the_state_of_the_finished_windows",
    ),
) + _of(
    "streams/series.py",
    (
        "metrics are read without their look-back",
        "bookmark - self.settings.metrics_lookback_days * DAY",
        "bookmark",
        "streams/test_look_back.py",
    ),
)

_ACTIVATION = (
    _of(
        "streams/base.py",
        (
            "streams that are no mirrors are activated",
            "            self.is_mirror\n            and self.replication_method",
            "            self.replication_method",
            "test_activation.py::test_keys_missing_in_the_catalog_come_from_the_stream",
        ),
        (
            "a parent deleted half-way fails the stream",
            "if not self.skip_missing_parents:",
            "if gone:",
            (
                "test_not_found.py::test_rows_deleted_since_they_were_listed_are_left_out"
                "[campaign_actions-/v1/campaigns-campaigns]"
            ),
        ),
    )
    + _of(
        "streams/proof.py",
        (
            "a 404 counts as a deletion",
            "if exists(slice_)]",
            "if not slice_]",
            "test_not_found.py::test_404s_of_existing_parents_fail_the_stream",
        ),
        (
            "few rows raise no suspicion",
            "return 2 * self.rows < known",
            "return 2 * self.rows < 0",
            "test_mirrors.py::test_missing_segments_do_not_remove_their_members[left_out0]",
        ),
        (
            "a read with doubts is activated",
            "        if stream.outcome.proves_absence:\n            return True",
            "        if stream.outcome.is_complete:\n            return True",
            "test_mirrors.py::test_an_empty_list_must_be_confirmed",
        ),
    )
    + _of(
        "api/steady.py",
        (
            "rows that move down raise no doubt",
            "            if place.repeats(before):\n                moved()",
            "            place.repeats(before)",
            (
                "test_movement.py::test_a_row_that_moves_to_pages_already_read_does_not_count_as_gone"
                "[assets /v1/assets]"
            ),
        ),
    )
)

_RETRY = (
    _of(
        "api/transport.py",
        (
            "a 429 is not tried again",
            "_TRANSIENT = {408, 425, 429}",
            "_TRANSIENT = {408, 425}",
            "test_client.py::test_transient_faults_are_retried",
        ),
        (
            "Retry-After is ignored",
            "            return max(0.0, float(value))",
            "            return max(0.0, 0 * float(value))",
            "test_client.py::test_retry_after_is_used_in_both_forms",
        ),
        (
            "the key follows a redirect",
            "allow_redirects=False",
            "allow_redirects=True",
            "faults/test_lasting.py::test_the_key_does_not_follow_a_redirect",
        ),
        (
            "a log shows the query of a request",
            '_QUERY.sub("?***", record.getMessage())',
            "record.getMessage()",
            "privacy/test_logs.py::test_urls_are_logged_without_the_search_value",
        ),
        (
            "a log shows the address in a path",
            "{_ADDRESS.sub('***', self.path)}",
            "{self.path}",
            "privacy/test_logs.py::test_a_fault_is_logged_without_the_address_in_its_path",
        ),
    )
    + _of(
        "api/client.py",
        (
            "a page token that comes twice is followed",
            "if not seen.isdisjoint(fresh):",
            "if not seen:",
            "test_client.py::test_a_repeated_token_is_an_error",
        ),
    )
    + _of(
        "api/retrying.py",
        (
            "a throttled request is given up",
            "if fault.throttled:",
            "if fault.throttled and fault.absent:",
            (
                "faults/test_addresses.py"
                "::test_a_throttled_request_is_retried_however_many_others_succeed"
            ),
        ),
    )
)

_LIMITER = _of(
    "ratelimit/limiter.py",
    (
        "the limiter uses the whole limit",
        "headroom = 0.97",
        "headroom = 1.0",
        "test_limiter.py::test_the_rate_is_97_per_cent_of_the_limit",
    ),
    (
        "the limiter never recovers",
        "self.decrease * recovered**3",
        "self.decrease * min(0, recovered**3)",
        "test_limiter.py::test_the_rate_recovers_to_the_rejected_one_waits_and_then_continues",
    ),
    (
        "a late request does not count from when it left",
        "if left > slot.due + self._slack:",
        "if left < slot.due:",
        "test_limiter.py::test_no_second_has_an_eleventh_request_however_late_threads_are",
    ),
) + _of(
    "ratelimit/budget.py",
    (
        "each 429 of a wave slows down",
        "self.seen > self.resume and self.seen - self.slowed > BURST_WINDOW",
        "self.seen > self.slowed",
        "test_limiter.py::test_several_429s_at_once_slow_down_once_and_the_next_one_again",
    ),
)

_PRIVACY = _of(
    "streams/pii.py",
    (
        "personal fields are shown",
        "    if is_personal(field):\n        return MASK\n",
        "",
        "test_pii.py::test_values_are_masked_by_field_and_addresses_anywhere",
    ),
) + _of(
    "privacy/erase.py",
    (
        "erased people are not looked for",
        "        if profiles(self._client, [person.cio_id]):\n            return\n",
        "",
        "privacy/test_erase.py::test_it_checks_until_they_are_gone",
        "privacy/test_erase.py::test_people_who_may_still_exist_do_not_count_as_erased",
    ),
    (
        "erasure is proven with keys of another workspace",
        "elif not self._account.is_proven:",
        "elif not person:",
        "privacy/test_erase_proof.py::test_a_removal_by_someone_else_is_no_proof_for_keys_of_another_workspace",
    ),
    (
        "people made again pass for erased",
        "if found - record.shared(person):",
        "if not person:",
        "privacy/test_erase.py::test_people_created_again_by_a_late_event_are_reported",
    ),
    (
        "an identifier of another person is blocked",
        "self._client, kind, value, must_state=False\n            ):  #",
        "self._client, kind, kind, must_state=False\n            ):  #",
        "privacy/test_erase.py::test_an_address_of_another_person_too_is_not_blocked",
    ),
)

_RESCANS = _of(
    "streams/rescans.py",
    (
        "changes since an age are not news",
        "changed >= created + _seconds(passed) - MARGIN",
        "changed >= created + _seconds(passed)",
        "test_rescans.py::test_only_changes_since_the_last_age_are_new",
    ),
    (
        "a killed rescan passes what it has not read",
        "age: max(cursor, min(end, self._due[age])) if age in self._due else cursor",
        "age: max(cursor, self._due[age]) if age in self._due else cursor",
        "test_rescans.py::test_a_killed_sync_leaves_no_gap",
    ),
) + _of(
    "streams/refresh.py",
    (
        "a partial read counts as a full one",
        "        if self.is_partial:\n            return\n",
        "",
        "test_refresh.py::test_vanished_rows_leave_within_refresh_hours",
    ),
    (
        "a full read is never due",
        ">= every - every / _EARLY",
        ">= 2 * every",
        "test_refresh.py::test_everything_is_read_when_due_or_configured",
    ),
    (
        "rows of a partial read get a version of their own",
        "return self._full_at if self.is_partial else self._stream.client.present",
        "return self._stream.client.present",
        "test_refresh.py::test_rows_between_full_reads_have_the_version_of_the_last_one",
    ),
)

_BACKFILL = _of(
    "backfill/job.py",
    (
        "every shard reads what has no range",
        "else self.shard == 1)",
        "else self.shard)",
        "backfill/test_shards.py",
    ),
    (
        "a shard continues from the state of another",
        "if any(found.get(name) != value",
        "if any(name == value",
        "backfill/test_shards.py",
    ),
    (
        "a shard does not know its edges",
        "frozenset(self.shard_range) - frozenset(self.range)",
        "frozenset()",
        "backfill/test_shards.py",
    ),
)

_SELECTION = _of(
    "sync/catalog.py",
    (
        "fields that are not selected are read",
        "if path and not is_selected and mask[path[:-2]]",
        "if path and is_selected is None",
        "test_selection.py",
    ),
    (
        "a replication method in the metadata is ignored",
        'entry["replication_method"] = method',
        "pass",
        "streams/test_lists.py::test_metadata_alone_selects_a_method",
    ),
)

MUTATIONS = (
    *(*_ENGINE, *_WINDOWS, *_BOOKMARKS, *_ACTIVATION, *_RETRY, *_LIMITER),
    *(*_PRIVACY, *_RESCANS, *_BACKFILL, *_SELECTION),
)
