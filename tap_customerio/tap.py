"""The tap: its configuration, discovery, and the start of a sync."""

from __future__ import annotations

import copy
import dataclasses
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk import Tap, metrics
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import TapCapabilities
from singer_sdk.metrics import Metric, Point, Tag
from singer_sdk.plugin_base import PluginBase

from tap_customerio import errors
from tap_customerio.log import drop_idle_lines, hide_metrics
from tap_customerio.settings import NAME, SETTINGS
from tap_customerio.settings_checks import misspelt, validation_errors, warnings
from tap_customerio.streams import all_streams
from tap_customerio.sync import stream_maps
from tap_customerio.sync.batches import batch_errors
from tap_customerio.sync.catalog import with_chosen_methods
from tap_customerio.sync.provenance import STATE_KEY
from tap_customerio.sync.run import SyncRun
from tap_customerio.sync.validation import environment, normalized
from tap_customerio.sync.writer import BufferedWriter
from tap_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from singer_sdk.about import AboutInfo
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from tap_customerio.api.client import Client
    from tap_customerio.settings import Settings
    from tap_customerio.streams.base import CustomerioStream


class _Metric(str, Enum):
    """Metrics in addition to the SDK's."""

    RATE_LIMIT_WAIT = "rate_limit_wait"


drop_idle_lines(NAME)


class TapCustomerio(Tap):
    """Singer tap for Customer.io."""

    name = NAME
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(SETTINGS)  # the SDK adds its own
    message_writer: BufferedWriter
    message_writer_class = BufferedWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [*Tap.capabilities, TapCapabilities.TEST]

    watched: ClassVar[bool] = False
    """Whether to show progress bars."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Initialize like any tap, with a writer that checks for pending signals."""
        if isinstance(catalog := options.get("catalog"), dict):
            options["catalog"] = with_chosen_methods(catalog)
        super().__init__(*arguments, **options)
        self.warn(warnings(self.config, self.config_jsonschema["properties"]))
        hide_metrics(self.metrics_logger)
        self.sync_run.check_output = self.message_writer.check
        self.sync_run.blocked = self.message_writer.blocked
        self.message_writer.watch = self.sync_run.watch

    @cached_property
    def sync_run(self) -> SyncRun:
        """The state that the streams of a run share."""
        return SyncRun(self.config, draws_progress=self.watched)

    def warn(self, sentences: Sequence[str]) -> None:
        """Log warnings about the settings."""
        for sentence in sentences:
            self.logger.warning("%s", sentence)

    @property
    def settings(self) -> Settings:
        """The validated settings."""
        return self.sync_run.settings

    @property
    def client(self) -> Client:
        """The App API."""
        return self.sync_run.client

    def use(self, client: Client) -> None:
        """Use this client for all requests."""
        self.sync_run.client = client

    @classmethod
    def _get_about_info(cls) -> AboutInfo:
        ordered = sorted(all_streams(), key=lambda stream_class: stream_class.name)
        # One line, because the SDK's Markdown template loses indentation.
        streams = " ".join(
            f"`{stream_class.name}`: {stream_class.about()}" for stream_class in ordered
        )
        info = super()._get_about_info()
        return dataclasses.replace(info, description=f"{info.description} {streams}")

    def test_connection(self) -> None:
        """Read a record of each stream.

        Raises:
            TapError: A stream that is selected by default cannot be read.
        """
        self.run_connection_test()
        if failed := [
            name
            for name, stream in self.streams.items()
            if stream.selected_by_default and not stream.outcome.is_complete
        ]:
            raise errors.sync.incomplete(failed)
        self.logger.info(
            "The connection works: the first record of each stream that has any was read."
        )

    @property
    def streams(self) -> dict[str, CustomerioStream]:  # type: ignore[override]
        """All streams by name; streams that start early and finish late come last."""
        if self._streams is None:
            streams = cast("dict[str, CustomerioStream]", super().streams).values()
            self._streams = {s.name: s for s in sorted(streams, key=lambda s: s.sequential)}
        return cast("dict[str, CustomerioStream]", self._streams)

    def sync_all(self) -> None:  # type: ignore[misc] # final, but nothing else frames all streams
        """Read all selected streams.

        Raises:
            TapError: A stream is incomplete.
        """
        streams = list(self.streams.values())
        self.sync_run.prepare(streams, cast("dict[str, Any]", self.state))
        super().sync_all()
        self._measure()
        rows = {s.name: s.rows_written for s in streams if s.rows_written}
        each = ", ".join(f"{name} {number:,}" for name, number in sorted(rows.items()))
        self.logger.info("%s: %s", counted(sum(rows.values()), "row"), each or "none")
        self.sync_run.conclude(streams)

    def _measure(self) -> None:
        """Log metrics: requests per stream, and seconds of waiting after 429s."""
        points: list[Point[float]] = [
            Point("counter", Metric.HTTP_REQUEST_COUNT, number, {Tag.STREAM: stream})
            for stream, number in sorted(self.client.requests.items())
        ]
        waited = cast("Metric", _Metric.RATE_LIMIT_WAIT)
        points.append(Point("timer", waited, round(self.client.limiter.waited, 3)))
        for point in points:
            metrics.log(self.metrics_logger, point)

    def load_state(self, state: dict[str, Any]) -> None:
        """Load the state, and its entry about the workspace."""
        super().load_state(state)
        if STATE_KEY in state:
            cast("dict[str, Any]", self.state)[STATE_KEY] = state[STATE_KEY]

    def discover_streams(self) -> list[CustomerioStream]:
        """One instance of each stream class."""
        return [stream(self, self.sync_run) for stream in all_streams()]

    def setup_mapper(self) -> None:
        """Create the maps of the selected streams, with the selected fields.

        Raises:
            TapError: The stream maps are invalid.
        """
        config = self._config
        self._config = copy.deepcopy(config)  # the SDK removes `__else__` from its argument
        with stream_maps.errors_of_maps():
            PluginBase.setup_mapper(self)  # the SDK's Tap adds only fields of selected streams
        self._config = config
        for stream in self.streams.values():
            if stream.selected:
                stream.add_maps()

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # Only a flag: the SDK's handler writes state from inside the signal, and may break a line.
        self.sync_run.signal = signum

    @property
    def _env_var_config(self) -> dict[str, Any]:
        self.append_builtin_config(self.config_jsonschema)
        return environment(self.config_jsonschema, "TAP_CUSTOMERIO_")

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        self.append_builtin_config(self.config_jsonschema)
        known = self.config_jsonschema["properties"]
        self._config = normalized(self._config, self.config_jsonschema)
        found = misspelt(self._config.keys() - known.keys(), known)
        found = found or validation_errors(self._config)
        found = found or stream_maps.map_errors(
            self._config.get("stream_maps"),
            {each.name: each.schema for each in all_streams()},
        )
        found = found or batch_errors(self._config.get("batch_config"))
        if found and raise_errors:
            raise ConfigValidationError(" ".join(found), errors=found, schema=None)
        return found or super()._validate_config(raise_errors=raise_errors)
