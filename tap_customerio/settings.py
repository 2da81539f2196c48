"""The settings of the tap: their schema, and their values."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from singer_sdk import typing as th

from tap_customerio import windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_customerio.windows import Resolution

NAME = "tap-customerio"

SETTINGS = th.PropertiesList(
    th.Property(
        "app_api_key",
        th.StringType(min_length=1),
        required=True,
        secret=True,
        title="App API key",
        description="App API key of one workspace (not a Track API key).",
    ),
    th.Property(
        "region",
        th.StringType,
        default="us",
        allowed_values=["us", "eu", "auto"],
        title="Region",
        description="Region of the account; auto finds the one that accepts the key.",
    ),
    th.Property(
        "workspace_id",
        th.IntegerType(minimum=1),
        title="Workspace id",
        description=(
            "Id of the key's workspace (see stream workspaces); needed to continue from a "
            "state after the key was replaced, if the account has several workspaces."
        ),
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Start of the range, an RFC 3339 time or a date in UTC; default: everything.",
    ),
    th.Property(
        "end_date",
        th.DateTimeType,
        title="End date",
        description="End of the range, exclusive, an RFC 3339 time or a date in UTC; default: now.",
    ),
    th.Property(
        "metrics_resolution",
        th.StringType,
        default="days",
        allowed_values=["hours", "days", "weeks", "months"],
        title="Metrics resolution",
        description="Width of the time buckets of metrics.",
    ),
    th.Property(
        "metrics_timezone",
        th.StringType(min_length=1),
        default="UTC",
        title="Metrics time zone",
        description="IANA time zone of campaign metrics, such as Europe/Rome.",
    ),
    th.Property(
        "metrics_lookback_days",
        th.IntegerType(minimum=0),
        default=90,
        title="Metrics look-back",
        description=(
            "Days before the bookmark for which metrics are read again, because they still change."
        ),
    ),
    th.Property(
        "rescan_ages",
        th.ArrayType(th.NumberType(exclusive_minimum=0)),
        default=[1, 3, 7, 30, 90, 175],
        title="Rescan ages",
        description="Ages in days at which deliveries are read again; [] turns it off.",
    ),
    th.Property(
        "refresh_hours",
        th.NumberType(minimum=0, maximum=720),
        default=24,
        title="Refresh hours",
        description="Hours between full reads of streams that cost one request per parent, sender "
        "or object; other syncs read only what may have changed. 0: always a full read.",
    ),
    th.Property(
        "include_drafts",
        th.BooleanType,
        default=False,
        title="Include drafts",
        description="Also read drafted deliveries, which doubles the requests.",
    ),
    th.Property(
        "customers_sync",
        th.StringType(allowed_values=["changes", "full"]),
        default="changes",
        title="Customers sync",
        description=(
            "changes reads only people named in the activity log since the last sync, and "
            "everyone at intervals; full reads everyone each time."
        ),
    ),
    th.Property(
        "customers_full_every_days",
        th.NumberType(exclusive_minimum=0),
        default=7,
        title="Customers: days between full reads",
        description="Days between two full reads of all people, when customers_sync is changes.",
    ),
    th.Property(
        "customers_filter",
        th.ObjectType(additional_properties=True),
        title="Customers filter",
        description="A people filter in the API's own format, to read only some people.",
    ),
    th.Property(
        "esp_suppression_domains",
        th.ArrayType(th.StringType(min_length=1)),
        default=[],
        title="ESP suppression domains",
        description=(
            "Sending domains whose suppressed addresses are read, each with its own requests; "
            "[] reads those of the whole workspace."
        ),
    ),
    th.Property(
        "requests_per_second",
        th.NumberType(exclusive_minimum=0),
        default=10,
        title="Requests per second",
        description="Share of the workspace's 10 requests a second for this process, or with "
        "rate_limit_url for all processes that share it.",
    ),
    th.Property(
        "rate_limit_url",
        th.StringType(min_length=1),
        secret=True,
        title="Rate limit address",
        description=(
            "Redis (redis:// or rediss://), or folder on this machine "
            "(file:/var/lib/customerio), through which processes share requests_per_second."
        ),
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=64),
        default=8,
        title="Concurrency",
        description="Requests in flight at once.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0, maximum=windows.DAY),
        default=60,
        title="Request timeout",
        description=(
            "Seconds to wait for a complete response before the request is retried; five "
            "times as long once 64 KiB have arrived."
        ),
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="App API address",
        description=(
            "Base address (scheme, host, port) instead of the region's, for the sandbox or a "
            "proxy; https only, except on loopback."
        ),
    ),
    th.Property(
        "track_api_url",
        th.StringType,
        title="Track API address",
        description="Base address of the Track API, under the same rules.",
    ),
    th.Property(
        "site_id",
        th.StringType(min_length=1),
        secret=True,
        title="Site ID",
        description="Site ID of the same workspace; only with track_api_key.",
    ),
    th.Property(
        "track_api_key",
        th.StringType(min_length=1),
        secret=True,
        title="Track API key",
        description="Track API key that goes with site_id; no stream needs it.",
    ),
    th.Property(
        "emit_activate_version_messages",
        th.BooleanType,
        default=True,
        title="Emit ACTIVATE_VERSION messages",
        description=(
            "After a complete read of a stream that mirrors the current data, let the target "
            "delete rows that no longer exist."
        ),
    ),
    th.Property(
        "user_agent",
        th.StringType(min_length=1),
        default=f"{NAME}/{version(NAME)}",
        title="User agent",
        description="User-Agent header of the requests; add a way to contact you.",
    ),
).to_dict()
"""JSON schema of the configuration."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The values of a valid configuration, with defaults filled in."""

    app_api_key: str
    region: str
    metrics_resolution: Resolution
    metrics_timezone: str
    metrics_lookback_days: int
    rescan_ages: tuple[float, ...]
    refresh_hours: float
    include_drafts: bool
    customers_sync: str
    customers_full_every_days: float
    esp_suppression_domains: tuple[str, ...]
    requests_per_second: float
    concurrency: int
    request_timeout: float
    user_agent: str
    workspace_id: int | None = None
    start_date: str | None = None
    end_date: str | None = None
    customers_filter: Mapping[str, Any] | None = None
    rate_limit_url: str | None = None
    api_url: str | None = None
    track_api_url: str | None = None
    site_id: str | None = None
    track_api_key: str | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """Read this tap's settings from a configuration."""
        names = {field.name for field in dataclasses.fields(cls)}
        known = {name: value for name, value in config.items() if name in names}
        for name in ("api_url", "track_api_url"):
            if known.get(name):
                known[name] = known[name].rstrip("/")
        return cls(**known)

    @cached_property
    def start(self) -> int | None:
        """`start_date` in unix seconds."""
        return windows.parse(self.start_date) if self.start_date else None

    @cached_property
    def end(self) -> int | None:
        """`end_date` in unix seconds."""
        return windows.parse(self.end_date) if self.end_date else None

    @cached_property
    def zone(self) -> ZoneInfo:
        """`metrics_timezone`."""
        return ZoneInfo(self.metrics_timezone)
