"""Segments and their people, consents, and activities."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio import errors
from tap_customerio.api.client import quoted
from tap_customerio.api.pagination import by_offset
from tap_customerio.api.person_paths import person_paths
from tap_customerio.api.values import count_of, seconds, within
from tap_customerio.streams.activities import arrival, log_pages
from tap_customerio.streams.base import CustomerioStream
from tap_customerio.streams.lists import USED_BY, ChildStream, ListStream, Paged, Single, Whole
from tap_customerio.streams.people import (
    IDENTIFIERS,
    PROFILE_CHANGES,
    changed_people,
    everyone,
    known_people,
)
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
from tap_customerio.windows import BEGINNING, DAY, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from singer_sdk.helpers.types import Record

    from tap_customerio.api.responses import ParsedResponse
    from tap_customerio.streams.base import Rows


_CENTER = {
    "name": "Name in the subscription center.",
    "description": "Text in the subscription center.",
}


class Segments(ListStream):
    """Segments: groups of people, maintained by hand or by conditions."""

    name = "segments"
    path = "/v1/segments"
    records_key = "segments"
    replication_key = "updated_at"
    schema = record(
        integer(id="Segment id.", progress="Percentage built so far; null when finished."),
        text(
            name="Name in the app.",
            description="What it is for, as its creator wrote it.",
            state="Counts and members are final only when this is `finished`.",
            type="dynamic or manual.",
            deduplicate_id="`<id>:<updated_at>`.",
        ),
        timestamp(
            created_at="When it was created.",
            updated_at="Last change of the definition, not of the members.",
        ),
        array_of(text(""), tags="Labels given in the app."),
        object_of(mapping_of(), conditions="Rules of a dynamic segment, as the API returns them."),
    )


class SegmentCounts(ChildStream):
    """Segment counts: how many people are in each segment; each full read adds dated rows."""

    name = "segment_counts"
    is_mirror = False
    parent = Segments
    path = "customer_count"
    shape = Whole(expect="count")
    parent_key = "segment_id"
    primary_keys = ("segment_id", "observed_at")
    schema = record(
        integer(segment_id="Segment that is counted.", count="Number of people: its size."),
        timestamp(observed_at="When the sync that counted them began."),
        key=primary_keys,
    )

    def record(self, raw: dict[str, Any], slice_: int) -> Record | None:
        """Add the date of the count."""
        return super().record({**raw, "observed_at": self.client.present}, slice_)


class SegmentUsage(ChildStream):
    """Segment usage: the campaigns and newsletters that use each segment."""

    name = "segment_usage"
    parent = Segments
    path = "used_by"
    shape = Single("used_by")
    parent_key = "segment_id"
    primary_keys = ("segment_id",)
    schema = record(
        integer(segment_id="Segment that is used."),
        USED_BY,
        key=primary_keys,
    )


_SEGMENTS = "segments"
"""Member of the memberships' state with the number of segments."""


class SegmentMemberships(ChildStream):
    """Segment memberships: the people in each segment."""

    name = "segment_memberships"
    parent = Segments
    path = "membership"
    shape = Paged("identifiers")
    page_size = 30_000
    parent_key = "segment_id"
    primary_keys = ("segment_id", "cio_id")
    schema = record(
        integer(segment_id="Segment that the person is in."), IDENTIFIERS, key=primary_keys
    )

    def count_otherwise(self) -> int | None:
        """The sum of the API's counts per segment, if all segments are listed and counted."""
        listed = self.slices()
        known = self.last.get(_SEGMENTS)
        if not isinstance(known, int) or len(listed) < known:
            return None
        paths = (f"{Segments.path}/{quoted(slice_)}/customer_count" for slice_ in listed)
        fetched = (self.client.fetch("GET", path, expect="count") for path in paths)
        counts = [count_of(response.get("count")) for response in fetched]
        return None if None in counts else sum(filter(None, counts))

    def finish_all(self) -> None:
        """Store the number of segments of the records in the state."""
        super().finish_all()
        if self.outcome.proves_absence:
            self.remember(**{_SEGMENTS: len(self.slices())})


class Activities(CustomerioStream):
    """Activities: what people did and what happened to them; the API keeps 30 days."""

    name = "activities"
    has_time_range = True
    is_mirror = False
    replication_key = "timestamp"
    schema = record(
        text(
            id="Activity id.",
            type="What happened: event, page, attribute_change, opened_email … and others.",
            name="Name of the event; null for other types.",
            url="Page that was viewed; may contain personal data.",
            delivery_id="Delivery that it is about, if any.",
            delivery_type="Channel of that delivery.",
        ),
        timestamp(timestamp="When it happened, which may lie well before it was recorded."),
        text(
            cio_id="Permanent id of the person.",
            customer_id="The workspace's own id of the person, if any.",
        ),
        object_of(nested(IDENTIFIERS), customer_identifiers="The person, by each identifier."),
        object_of(mapping_of(), data="Details; their members depend on the type."),
    )

    sequential = True

    # Newest first by arrival, but timestamps may be backdated.
    margin = DAY
    kept = 30 * DAY

    def slices(self) -> Iterable[None]:
        """The log; no slice if the whole requested range is older than the log."""
        if self.settings.end is None or self.settings.end > self.client.present - self.kept:
            return (None,)
        self.logger.warning("%s", self.shortfall())
        return ()

    def shortfall(self) -> str | None:
        """Warn that the log goes back thirty days."""
        oldest = self.client.present - self.kept
        if (self.settings.start or BEGINNING) >= oldest:
            return None
        return errors.sync.log_too_short(rfc3339(oldest))

    def pages(self, slice_: None) -> Iterator[Rows]:  # noqa: ARG002
        """Read until a whole page is older than the requested range."""
        for page in log_pages(self.client):
            arrived = [arrival(row, self.client.present, self._oldest) for row in page]
            yield page
            if arrived and max(arrived) < self._oldest:
                return

    def record(self, raw: dict[str, Any], slice_: None) -> Record | None:  # noqa: ARG002
        """The activity, with its person's permanent id at the top level.

        None for an activity outside a range with an end: other ranges include it. Without an end,
        every activity on a page is sent, since it may be backdated.
        """
        start, end = self.settings.start or BEGINNING, self.settings.end
        if end and not start <= self._moment(raw) < end:
            return None
        raw["cio_id"] = within(raw, "customer_identifiers").get("cio_id")
        return self.read(raw)

    def finish_all(self) -> None:
        """Move the bookmark to end_date or to the API's present."""
        self.advance(self.settings.end or self.client.present)

    @property
    def _oldest(self) -> int:
        return max(self.settings.start or BEGINNING, self._since or BEGINNING)

    def _moment(self, row: dict[str, Any]) -> int:
        return seconds(row, "timestamp") or self._oldest


class OptOuts(CustomerioStream):
    """Opt-outs: the people who opted out of SMS or WhatsApp, and from which senders."""

    name = "opt_outs"
    sequential = True
    primary_keys = ("cio_id",)
    schema = record(
        text(
            cio_id="Permanent id of the person.",
            customer_id="The workspace's own id of the person, if any.",
        ),
        array_of(
            nested(text(channel="sms or whatsapp.", **{"from": "Sender of the messages."})),
            optouts="Senders that the person opted out of (unsubscribed from).",
        ),
        key=primary_keys,
    )

    def pages(self, slice_: None) -> Iterable[Rows]:  # noqa: ARG002
        """Yield the list of opt-outs, page by page."""
        return self.steady("/v1/optouts", "optouts", params={"limit": 1000})

    def record(self, raw: dict[str, Any], slice_: None) -> Record | None:  # noqa: ARG002
        """The person's opt-outs; only here may the API prefix cio_id."""
        if isinstance(cio_id := raw.get("cio_id"), str):
            raw["cio_id"] = cio_id.removeprefix("cio_")
        return self.read(raw)


class SubscriptionTopics(ListStream):
    """Subscription topics: the topics that people can subscribe to in the subscription center."""

    name = "subscription_topics"
    path = "/v1/subscription_topics"
    records_key = "topics"
    schema = record(
        integer(id="Topic id."),
        text(**_CENTER, identifier="`topic_<id>`, as in people's preferences."),
        boolean(subscribed_by_default="Whether people who have made no choice are subscribed."),
    )


class SubscriptionChannels(ListStream):
    """Subscription channels: the channels that people can subscribe to."""

    name = "subscription_channels"
    path = "/v1/subscription_channels"
    records_key = "channels"
    schema = record(
        integer(id="Channel id."),
        text(**_CENTER, type="email, twilio (SMS), push, in_app, whatsapp …"),
        boolean(subscribed_by_default="Whether people who have made no choice are subscribed."),
    )


class SubscriptionPreferences(CustomerioStream):
    """Subscription preferences: what each person is subscribed to; one request per person."""

    name = "subscription_preferences"
    skip_missing_parents = True
    reads_changes = True
    reads_all_people = True
    restricted_by = ("customers_filter",)
    selected_by_default = False
    primary_keys = ("cio_id",)
    schema = record(
        IDENTIFIERS,
        boolean(unsubscribed="Whether the person opted out of everything, including topics."),
        object_of(
            nested(text(title="Its heading.", subtitle="Its second line.")),
            header="Texts of the preference page.",
        ),
        array_of(
            nested(
                integer(id="Topic id."),
                text(**_CENTER),
                boolean(subscribed="Whether the person is subscribed to it."),
            ),
            topics="Every topic, and whether the person is subscribed.",
        ),
        key=primary_keys,
    )

    def slices(self) -> Iterator[str]:
        """Every person that the people search returns."""
        return chain.from_iterable(everyone(self))

    def changed(self, since: int) -> Iterable[str] | None:
        """The people that the activity log names."""
        return changed_people(self, PROFILE_CHANGES, since)

    def pages(self, slice_: str) -> Iterator[Rows]:
        """Yield one person's preferences."""

        def read(base: str) -> ParsedResponse:
            path, params = f"{base}/subscription_preferences", {"id_type": "cio_id"}
            return self.client.fetch("GET", path, params=params, expect="customer")

        response = person_paths(self.client).read("subscription_preferences", slice_, read)
        yield [response.object("customer")]

    def existing(self, slices: list[str]) -> Callable[[str], bool]:
        """Return a test of whether a person still has a profile."""
        return known_people(self.client, slices).__contains__

    def record(self, raw: dict[str, Any], slice_: str) -> Record | None:
        """The preferences, with the person's permanent id."""
        raw["cio_id"] = slice_
        raw |= {**self.within(raw, "identifiers"), "cio_id": slice_}
        raw.pop("identifiers", None)
        return self.read(raw)


_SUPPRESSED = 1000
_OVERLAP = 20
_PASSES = 3


class Suppressed(NamedTuple):
    """One list of the e-mail provider: its type, and a sending domain or None."""

    type: str
    domain: str


class EspSuppressions(CustomerioStream):
    """ESP suppressions: addresses to which the e-mail provider no longer delivers, and why."""

    name = "esp_suppressions"
    restricted_by = ("esp_suppression_domains",)
    primary_keys = ("suppression_type", "domain", "email")
    schema = record(
        text(
            email="Address that no longer gets e-mail.",
            suppression_type="bounces, blocks, spam_reports or invalid_emails.",
            domain="Sending domain, if esp_suppression_domains is set; otherwise `*`.",
            reason="Reason in the provider's words; may contain the address.",
            status="SMTP status code.",
        ),
        timestamp(created="When the provider suppressed the address."),
        key=primary_keys,
    )

    def slices(self) -> Iterator[Suppressed]:
        """Four lists for each domain in the settings, or for the whole workspace."""
        for domain in self.settings.esp_suppression_domains or ("",):
            for kind in ("bounces", "blocks", "spam_reports", "invalid_emails"):
                yield Suppressed(kind, domain)

    def pages(self, slice_: Suppressed) -> Iterable[Rows]:
        """One list: by page tokens for a domain, by offset for the whole workspace."""
        if slice_.domain:
            path = f"/v1/esp/domains/{quoted(slice_.domain)}/suppression/{slice_.type}"
            return self.steady(path, "suppressions", params={"limit": _SUPPRESSED})
        return self._by_offset(f"/v1/esp/suppression/{slice_.type}")

    def record(self, raw: dict[str, Any], slice_: Suppressed) -> Record | None:
        """The address with its list; the key has no empty text, which some targets read as null."""
        return self.read({**raw, "suppression_type": slice_.type, "domain": slice_.domain or "*"})

    def _by_offset(self, path: str) -> Iterator[Rows]:
        """The whole list; starts again if rows moved further than the overlap of pages."""
        for _ in range(_PASSES):
            pages = by_offset(
                self.client, path, "suppressions", limit=_SUPPRESSED, overlap=_OVERLAP
            )
            if (yield from pages):
                return
        self.moved()
