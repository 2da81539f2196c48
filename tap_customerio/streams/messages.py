"""Deliveries: every message to every person, rescanned at fixed ages."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.api.values import YEAR_9999, seconds, within
from tap_customerio.streams.base import CustomerioStream
from tap_customerio.streams.merges import Merges
from tap_customerio.streams.people import IDENTIFIERS
from tap_customerio.streams.rescans import Cursors, Rescans
from tap_customerio.streams.schema import (
    array_of,
    boolean,
    integer,
    mapping_of,
    nested,
    object_of,
    record,
    text,
    timestamp,
)
from tap_customerio.streams.sources import DeliverySources
from tap_customerio.streams.states import times_of
from tap_customerio.sync.catalog import deselected
from tap_customerio.sync.engine import Split
from tap_customerio.windows import BEGINNING, LONGEST_PERIOD, Window, WindowPlan, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Tap

    from tap_customerio.api.responses import Page
    from tap_customerio.streams.base import Rows
    from tap_customerio.streams.typed import Row
    from tap_customerio.sync.run import SyncRun

_LONGEST_STAMP = 18
_BEGAN, _MERGES = "rescans_began", "merges"

_STATES = {
    "attempted",
    "bounced",
    "clicked",
    "converted",
    "created",
    "delivered",
    "drafted",
    "dropped",
    "failed",
    "human_clicked",
    "human_opened",
    "opened",
    "prefetch_clicked",
    "prefetch_opened",
    "replied",
    "sent",
    "spammed",
    "undeliverable",
    "unsubscribed",
}
_LINK = re.compile(r"(\w*)link:(.+)")
"""Names in the API for the first click on the n-th link: `link:2`, `human_link:2`."""


class Messages(CustomerioStream):
    """Messages: every delivery to a person, with the time of each state it reached."""

    name = "messages"
    has_time_range = True
    is_mirror = False
    computed = ("cio_id",)
    replication_key = "created"
    _read_until = BEGINNING  # end of the range that was read before this run
    _rescans: Rescans | None = None
    schema = record(
        text(id="Delivery id.", deduplicate_id="`<id>:<unix second of the last change>`."),
        timestamp(
            created="When the delivery was created; date ranges and the bookmark use it.",
            updated="Last known change: the newest time in `metrics`.",
        ),
        text(
            type="Channel: email, push, twilio (SMS), in_app, webhook, slack, whatsapp …",
            cio_id="Permanent id of the person.",
            customer_id="The workspace's own id of the person, if any.",
        ),
        object_of(
            nested(IDENTIFIERS),
            customer_identifiers="The person, by each identifier.",
        ),
        text(
            recipient="Address, phone number, device token … Personal data.",
            subject="Subject as sent; may contain personal data.",
        ),
        text(
            source_type="Type of the sender: campaign, newsletter, broadcast or "
            "transactional. Null if only campaign_id is set and broadcasts cannot be read."
        ),
        integer(
            source_id="Id of the sender; unique only together with source_type.",
            campaign_id="Campaign that sent it, or the API-triggered broadcast (see source_type).",
            newsletter_id="Newsletter that sent it.",
            broadcast_id="API-triggered broadcast that sent it, if the API uses this name.",
            transactional_message_id="Transactional message that sent it.",
            action_id="Action of the campaign or broadcast that sent it.",
            parent_action_id="Branching action that this action belongs to, if any.",
            content_id="Content variant of the newsletter or transactional message.",
            msg_template_id="Template of the message.",
            message_template_id="Deprecated name of msg_template_id.",
        ),
        text(trigger_event_id="Event that triggered it."),
        object_of(
            nested(times_of(sorted(_STATES))),
            metrics="When each state was first reached; states without a time were not reached.",
        ),
        array_of(
            nested(
                text(
                    link_id="Number of the link, as in link_metrics.",
                    state="clicked, or human_clicked (clicks by machines excluded).",
                ),
                timestamp(at="When it first happened."),
            ),
            links="Links that were clicked.",
        ),
        object_of(
            mapping_of(timestamp("")),
            other_metrics="When other states, which `metrics` does not list, were first reached.",
        ),
        text(failure_message="Why it failed, in the provider's words; may contain personal data."),
        boolean(forgotten="Whether its content was erased, or never kept."),
        object_of(
            mapping_of(
                nested(
                    integer(id="Number of the response."),
                    timestamp(ts="When the person responded."),
                )
            ),
            tracked_responses="Responses to an in-app message, by name of the response.",
        ),
    )

    def __init__(self, tap: Tap, sync_run: SyncRun) -> None:
        super().__init__(tap, sync_run)
        self._seams: dict[int, set[str]] = {}  # known ids of a window's last second, by its end
        self._rest: set[Window] = set()  # second parts of split windows, whose drafts are read
        self._sources: DeliverySources | None = None

    def slices(self) -> Iterator[Window]:
        """Windows from the bookmark or start_date to end_date or the API's present.

        Without an end_date, windows for late-listed deliveries and for deliveries that are due for
        a rescan follow.
        """
        first = min(self.settings.start or BEGINNING, self.client.present)
        end = min(self.settings.end or self.client.present, self.client.present)
        self._read_until = max(first, self.bookmark(self.last) or BEGINNING)
        self._rescans = None if self.settings.end else self._open_rescans(first)
        self._plan = WindowPlan(self._read_until, end)
        self._seams.clear()
        self._rest.clear()
        self._sources = None
        yield from self._plan
        again = self._rescans.ranges() if self._rescans else []
        if self._rescans and any(map(self._rescans.may_withhold, again)):
            self._merges.learn(self.client, self._began)
        for whole in again:
            yield from self._plan.over(whole)

    def shortfall(self) -> str | None:
        """Warn that deliveries older than six months may be missing; they are requested."""
        if (self.settings.start or BEGINNING) >= self.client.present - LONGEST_PERIOD:
            return None
        return errors.sync.perhaps_too_old()

    def pages(self, slice_: Window) -> Iterator[Rows | Split[Window]]:
        """A window's drafts, if selected, and its deliveries."""
        if slice_.width:
            if self.settings.include_drafts and slice_ not in self._rest:
                yield from self._pages(slice_, drafts="true")
            yield from self._sent(slice_)

    def _sent(self, window: Window) -> Iterator[Rows | Split[Window]]:
        """A window's deliveries; after many pages the rest is split to be read in parallel.

        Splitting needs pages sorted newest first. The API seems to sort them so, but does not
        document it: if a page is out of order, the window is read to its end without a split.
        """
        rows, oldest, in_order = 0, window.end, True
        last: set[str] = set()  # ids of the oldest second, which the split continues
        for number, page in enumerate(self._pages(window), start=1):
            stamps = page.stamps()
            created = [stamp.created for stamp in stamps]
            yield page
            rows += len(created)
            edges = [oldest, *created, window.start]
            in_order &= bool(created) and all(newer >= older for newer, older in pairwise(edges))
            if created and min(created) < oldest:
                oldest, last = min(created), set()
            last |= {stamp.id for stamp in stamps if stamp.created == oldest}
            if in_order and page.more and (rest := self._plan.rest(window, oldest, number)):
                self._seams[oldest + 1] = last
                self._rest.update(rest)
                yield Split(rest)
                return
        self._plan.learn(window, rows)

    def _pages(self, window: Window, **population: str) -> Iterator[Page]:
        """The pages of a window; loads the senders before the first row."""
        params = {
            "start_ts": window.start,
            "end_ts": window.end - 1,  # both bounds of the API are inclusive
            "limit": 1000,
            "get_tracked_responses": "true",
            **population,
        }
        for page in self.client.pages("/v1/messages", "messages", params=params):
            if self._sources is None and not page.empty:
                self._sources = self.read_sources()
            yield page

    def read_sources(self) -> DeliverySources:
        """The list that distinguishes senders; it costs one request, shared with other streams."""
        wanted = ("source_type",) not in deselected(self.mask)
        return DeliverySources.read(self.client) if wanted else DeliverySources(None)

    def record(self, raw: Any, slice_: Window) -> Any:
        """The delivery, with its last change and its person's permanent id at the top level.

        None if it was read before a split, or is read again and cannot have changed.
        """
        if (passed := self._seams.get(slice_.end)) and str(raw.get("id")) in passed:
            return None
        changed = _last_change(raw)
        person = within(raw, "customer_identifiers").get("cio_id")
        sender = self._sources.sender(raw) if self._sources else {}
        raw.update({"updated": changed or raw.get("created"), "cio_id": person, **sender})
        _place_metrics(raw)
        forgotten = raw.get("forgotten")
        row = self.read(raw)
        created = seconds(raw, "created") if row and slice_.end <= self._read_until else None
        if self._rescans and changed and created:
            if forgotten or person is None:  # which changes no timestamp
                return row
            changed = max(changed, self._merges.last(str(person)))
            return row if self._rescans.is_news(created, changed) else None
        return row

    def finish(self, slice_: Window) -> None:
        """Move the bookmark (or the age's cursor) to the end of the last finished window."""
        if self._rescans is None:
            self.advance(slice_.end)
        elif slice_.end > self._read_until:
            self.advance(slice_.end, **self._facts(self._rescans.cursors))
        else:
            self.advance(self._read_until, **self._facts(self._rescans.reach(slice_.end)))

    def finish_all(self) -> None:
        """Move every age's cursor to its end."""
        if self._rescans is not None:
            facts = self._facts(self._rescans.complete())
            self.advance(max(self._read_until, self.client.present), **facts)

    def _open_rescans(self, first: int) -> Rescans:
        """Load the state's cursors.

        Raises:
            TapError: The state holds something else.
        """
        self._began = self.client.present
        ages = self.settings.rescan_ages
        try:
            if "replication_key_value" in self.last:
                self._began = parse(self.last.get(_BEGAN) or self.last["replication_key_value"])
            self._cursors = Cursors(self.last, ages, first)
            self._merges = Merges(self.last.get(_MERGES), ages)
        except (AttributeError, TypeError, ValueError):
            raise errors.inputs.bad_bookmark(self.name) from None
        return Rescans(
            ages,
            self._cursors.current,
            began=self._began,
            start=first,
            read=self._read_until,
            present=self.client.present,
        )

    def _facts(self, cursors: dict[float, int]) -> dict[str, Any]:
        """Parts of the state besides the bookmark."""
        facts = {_BEGAN: rfc3339(self._began), **self._cursors.as_state(cursors)}
        return facts if self._merges.until is None else {**facts, _MERGES: self._merges.as_state()}


def _last_change(raw: dict[str, Any] | Row) -> int | None:
    """Timestamp of the last change, the end of `deduplicate_id`; None if it has none."""
    stamp = str(raw.get("deduplicate_id") or "").rpartition(":")[2]
    if not stamp.isdecimal() or len(stamp) > _LONGEST_STAMP:
        return None
    moment = int(stamp)
    return moment if 0 < moment < YEAR_9999 else seconds({"stamp": moment}, "stamp")


def _place_metrics(raw: dict[str, Any] | Row) -> None:
    """Move link metrics, and states that the schema does not name, into columns of their own.

    Flattening an object with known and unknown members would lose the unknown ones.
    """
    metrics, links, rest = raw.get("metrics"), [], {}
    if not isinstance(metrics, dict) or metrics.keys() <= _STATES:
        return
    for name in sorted(metrics.keys() - _STATES):
        moment = metrics.pop(name)
        if link := _link(name):
            links.append({**link, "at": moment})
        else:
            rest[name] = moment
    raw.update({"links": links, "other_metrics": rest or None})


@lru_cache(maxsize=1000)
def _link(name: str) -> dict[str, str] | None:
    """The link and its state; None if the metric is not about a link."""
    link = _LINK.fullmatch(name)
    return {"link_id": link[2], "state": f"{link[1]}clicked"} if link else None
