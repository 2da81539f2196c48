"""The tap: its settings, its streams, and what they share."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import TapCapabilities

from tap_customerio.client import Client
from tap_customerio.settings import NAME, SETTINGS, Settings, faults
from tap_customerio.streams import all_streams
from tap_customerio.writer import BufferedWriter

if TYPE_CHECKING:
    from types import FrameType

    from singer_sdk.about import AboutInfo
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from tap_customerio.streams.base import CustomerioStream


class TapCustomerio(Tap):
    """Singer tap for Customer.io."""

    name = NAME
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(SETTINGS)  # the SDK adds its own
    message_writer_class = BufferedWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [*Tap.capabilities, TapCapabilities.TEST]

    _settings: Settings | None = None
    _client: Client | None = None
    _signal: int | None = None

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

    @classmethod
    def _get_about_info(cls) -> AboutInfo:
        kinds = sorted(all_streams(), key=lambda kind: kind.name)
        # One line: the SDK's Markdown template loses its indentation otherwise.
        streams = " ".join(f"`{kind.name}`: {kind.about()}" for kind in kinds)
        info = super()._get_about_info()
        return dataclasses.replace(info, description=f"{info.description} {streams}")

    def discover_streams(self) -> list[CustomerioStream]:
        """One of each stream class."""
        return [stream(self) for stream in all_streams()]

    def watch(self) -> None:
        """Leave once a signal has come; called on the main thread between pages.

        Raises:
            SystemExit: With the conventional code, 128 + the signal's number.
        """
        if self._signal is not None:
            self.logger.warning("Stopped by signal %d; state is as of the last slice", self._signal)
            raise SystemExit(128 + self._signal)

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # Only a flag: the SDK's handler writes state from inside the signal and can tear a line.
        self._signal = signum

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        errors = faults(self._config)
        if errors and raise_errors:
            raise ConfigValidationError("Bad settings", errors=errors, schema=None)
        return errors or super()._validate_config(raise_errors=raise_errors)
