"""The tap: its settings, its streams, and what they share."""

from __future__ import annotations

import copy
import ctypes
import dataclasses
import sys
from contextlib import ExitStack, suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk import Tap, metrics
from singer_sdk.exceptions import ConfigValidationError, MappingError
from singer_sdk.helpers.capabilities import TapCapabilities
from singer_sdk.metrics import Metric, Point, Tag
from singer_sdk.plugin_base import PluginBase

from tap_customerio import errors
from tap_customerio.api.client import Client
from tap_customerio.api.responses import pack, weight
from tap_customerio.settings import NAME, SETTINGS, Settings
from tap_customerio.settings_checks import cautions, misspelt, validation_errors
from tap_customerio.streams import all_streams
from tap_customerio.sync import stream_maps
from tap_customerio.sync.catalog import emitted_schema, with_chosen_methods
from tap_customerio.sync.engine import Engine, StreamQueue
from tap_customerio.sync.progress import Progress, TapMeter, drawn
from tap_customerio.sync.provenance import MEMBER, claim
from tap_customerio.sync.validation import environment, normalized
from tap_customerio.sync.writer import BufferedWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import FrameType

    from singer_sdk.about import AboutInfo
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from tap_customerio.streams.base import CustomerioStream, Rows

_M_MMAP_THRESHOLD = -3

_SWITCH = 0.001
"""Seconds after which the main thread, busy with records, lets one go on whose turn has come."""

_ROOM = 6 << 20
"""Bytes of pages that may wait for the stream being written, and as many for all others."""


class _Metric(str, Enum):
    """Measured beside what the SDK knows of."""

    RATE_LIMIT_WAIT = "rate_limit_wait"


class TapCustomerio(Tap):
    """Singer tap for Customer.io."""

    name = NAME
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(SETTINGS)  # the SDK adds its own
    message_writer: BufferedWriter
    message_writer_class = BufferedWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [*Tap.capabilities, TapCapabilities.TEST]

    cuts: frozenset[int] = frozenset()
    """Ends of the range, in unix seconds, at which another run goes on: no bucket lies in both."""

    watched: ClassVar[bool] = False
    """Whether somebody may sit at the terminal, who wants to see how far a sync has come."""

    _settings: Settings | None = None
    _client: Client | None = None
    _signal: int | None = None
    _engine: Engine[Any, Rows] | None = None
    _lanes: dict[str, StreamQueue[Any, Rows]]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As any tap; what is written is written with an ear for signals."""
        if isinstance(catalog := options.get("catalog"), dict):
            options["catalog"] = with_chosen_methods(catalog)
        super().__init__(*arguments, **options)
        self.caution(cautions(self.config, self.config_jsonschema["properties"]))
        self.message_writer.watch = self.watch
        self.progress = Progress()
        self._shows = ExitStack()

    def caution(self, sentences: Sequence[str]) -> None:
        """Log what is odd about the settings."""
        for sentence in sentences:
            self.logger.warning("%s", sentence)

    @property
    def settings(self) -> Settings:
        """The checked settings."""
        if self._settings is None:
            self._settings = Settings.of(self.config)
        return self._settings

    @property
    def client(self) -> Client:
        """The App API, one pace and one set of connections for all streams."""
        if self._client is None:
            self._client = Client(self.settings)
        return self._client

    def use(self, client: Client) -> None:
        """Ask through this client."""
        self._client = client

    @classmethod
    def _get_about_info(cls) -> AboutInfo:
        kinds = sorted(all_streams(), key=lambda kind: kind.name)
        # One line: the SDK's Markdown template loses its indentation otherwise.
        streams = " ".join(f"`{kind.name}`: {kind.about()}" for kind in kinds)
        info = super()._get_about_info()
        return dataclasses.replace(info, description=f"{info.description} {streams}")

    def work(self, stream: CustomerioStream) -> tuple[Engine[Any, Rows], StreamQueue[Any, Rows]]:
        """The engine that works on all selected streams at once, and this stream's lane of it."""
        if stream.ABORT_AT_RECORD_COUNT is not None:  # a test wants one record, and no more
            lane = stream.lane()
            return self._start([lane], workers=1), lane
        if self._engine is None or stream.name not in self._lanes:
            self._return_memory()
            sys.setswitchinterval(_SWITCH)
            if self._engine is not None:  # a second run: what the first has read is no longer true
                self._client = None
            self._claim_workspace()
            self._lanes = {s.name: s.lane() for s in self.streams.values() if s.selected}
            self._engine = self._start(self._lanes.values(), workers=self.settings.concurrency)
            if self.watched and (bars := drawn()):
                self.progress = self._shows.enter_context(bars(TapMeter(self), keep=False))
        return self._engine, self._lanes.pop(stream.name)

    def engine_for(self, lane: StreamQueue[Any, Any]) -> Engine[Any, Any]:
        """An engine of its own, for what is asked after the streams' own work."""
        return self._start([lane], workers=self.settings.concurrency)

    def test_connection(self) -> None:
        """Read a record of each stream.

        Raises:
            TapError: When one that is on by default cannot be read.
        """
        self.run_connection_test()
        if failed := [
            name
            for name, stream in self.streams.items()
            if stream.selected_by_default and not stream.outcome.is_complete
        ]:
            raise errors.sync.incomplete(failed)
        self.logger.info("The connection works: a record of each stream was read, if it has any.")

    def stop(self) -> None:
        """Ask for nothing more."""
        if self._engine is not None:  # else a test of one stream, and others follow
            self._engine.stop()
            self.client.close()
            self._shows.close()

    @property
    def streams(self) -> dict[str, CustomerioStream]:  # type: ignore[override]
        """All streams by name, but those last that the engine begins first, and finishes late."""
        if self._streams is None:
            streams = cast("dict[str, CustomerioStream]", super().streams).values()
            self._streams = {s.name: s for s in sorted(streams, key=lambda s: s.sequential)}
        return cast("dict[str, CustomerioStream]", self._streams)

    def conclude(self) -> None:
        """Say what the run took.

        Raises:
            TapError: When any stream failed: that must not pass for success.
        """
        self._shows.close()
        requests = self.client.requests
        each = ", ".join(f"{name} {number:,}" for name, number in sorted(requests.items()))
        self.logger.info("%s requests: %s", f"{requests.total():,}", each)
        self._measure()
        if failed := [
            name for name, stream in self.streams.items() if not stream.outcome.is_complete
        ]:
            raise errors.sync.incomplete(failed)

    def _measure(self) -> None:
        """As metrics: requests of each stream, and seconds for which 429s held them back."""
        points: list[Point[float]] = [
            Point("counter", Metric.HTTP_REQUEST_COUNT, number, {Tag.STREAM: stream})
            for stream, number in sorted(self.client.requests.items())
        ]
        waited = cast("Metric", _Metric.RATE_LIMIT_WAIT)
        points.append(Point("timer", waited, round(self.client.pace.waited, 3)))
        for point in points:
            metrics.log(self.metrics_logger, point)

    def load_state(self, state: dict[str, Any]) -> None:
        """Also what the state says of its workspace."""
        super().load_state(state)
        if MEMBER in state:
            cast("dict[str, Any]", self.state)[MEMBER] = state[MEMBER]

    def _claim_workspace(self) -> None:
        """Refuse the state of another workspace, and note whose this one is."""
        state = cast("dict[str, Any]", self.state)
        with self.client.acting("workspaces", ()):
            state[MEMBER] = claim(state.get(MEMBER), self.client, self.settings)

    def discover_streams(self) -> list[CustomerioStream]:
        """One of each stream class."""
        return [stream(self) for stream in all_streams()]

    def setup_mapper(self) -> None:
        """Tell the stream maps which fields are selected.

        Raises:
            TapError: When they cannot be used.
        """
        config = self._config
        self._config = copy.deepcopy(config)  # the SDK takes `__else__` out of what it is given
        try:
            PluginBase.setup_mapper(self)  # the SDK's Tap adds the fields of selected streams only
            self._config = config
            for name, stream in self.streams.items():
                schema = emitted_schema(name, stream.effective_schema, stream.metadata)
                self._map(name, schema, stream.primary_keys)
        except (LookupError, MappingError, NotImplementedError, TypeError, ValueError) as error:
            raise errors.stream_maps.unusable_map(error) from error
        stream_maps.finish(self.mapper)

    def _map(self, name: str, schema: dict[str, Any], keys: Sequence[str]) -> None:
        try:
            self.mapper.register_raw_stream_schema(name, schema, keys)
        except ValueError:  # the SDK's, of flattening alone
            raise errors.stream_maps.same_column(name) from None

    def watch(self) -> None:
        """Leave once a signal has come or the target has gone; called between pages.

        Raises:
            SystemExit: With the conventional code, 128 + the signal's number.
            TapError: When nobody reads what is written.
        """
        if self._signal is not None:
            self.logger.warning("Stopped by signal %d; state is as of the last slice", self._signal)
            raise SystemExit(128 + self._signal)
        self.message_writer.check()

    def _return_memory(self) -> None:
        """Let glibc give back each page at once; it would keep many for each thread."""
        with suppress(AttributeError, OSError, TypeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 17)

    def _start(self, lanes: Iterable[StreamQueue[Any, Rows]], workers: int) -> Engine[Any, Rows]:
        return Engine(
            list(lanes), workers=workers, room=_ROOM, weigh=weight, pack=pack, watch=self.watch
        )

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # Only a flag: the SDK's handler writes state from inside the signal and can tear a line.
        self._signal = signum

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
        found = found or stream_maps.faults(
            self._config.get("stream_maps"), {kind.name: kind.schema for kind in all_streams()}
        )
        if found and raise_errors:
            raise ConfigValidationError(" ".join(found), errors=found, schema=None)
        return found or super()._validate_config(raise_errors=raise_errors)
