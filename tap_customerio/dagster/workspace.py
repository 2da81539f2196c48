"""A workspace: its key and its target."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.settings import SETTINGS
from tap_customerio.settings_checks import validation_errors
from tap_customerio.tap import TapCustomerio

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "TAP_CUSTOMERIO_"


@dataclass(frozen=True)
class Workspace:
    """One workspace of Customer.io, and the target for its rows.

    Attributes:
        name: Its name in partitions and tags: letters, digits, `.`, `_` and `-`.
        app_api_key_env: The environment variable of the workers that holds its App API key.
        target: The command line of the target; it runs without a shell.
        region: Data centre of the account.
        settings: Other settings of the tap, by name; put secrets into the workers'
            environment.
    """

    name: str
    app_api_key_env: str
    target: str
    region: str = "us"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the values before anything runs.

        Raises:
            TapError: A value is invalid.
        """
        if not re.fullmatch(r"[A-Za-z0-9._-]+", self.name):
            raise errors.dagster.bad_workspace(
                self.name, "its name may contain letters, digits, '.', '_' and '-' only."
            )
        TapCustomerio.append_builtin_config(TapCustomerio.config_jsonschema)
        known = TapCustomerio.config_jsonschema["properties"]
        for name in self.settings:
            if name not in known:
                raise errors.names.unknown("setting", name, known, "'tap-customerio --about'")
        if wrong := validation_errors(
            {**self.settings, "region": self.region, "app_api_key": "unknown"}
        ):
            raise errors.dagster.bad_workspace(self.name, " ".join(wrong))
        try:
            words = shlex.split(self.target)
        except ValueError:
            words = []
        if not words:
            raise errors.dagster.bad_workspace(self.name, f"{self.target!r} is not a command.")

    def environment(self) -> dict[str, str]:
        """The environment of a tap that reads the workspace.

        Raises:
            TapError: The key is missing on this machine.
        """
        key = os.environ.get(self.app_api_key_env)
        if not key:
            raise errors.dagster.no_workspace_key(self.name, self.app_api_key_env)
        settings = self._variables(self.settings)
        logged = {f"{PREFIX}LOGLEVEL": "DEBUG"}  # the level at which the tap logs metrics
        return {**os.environ, **settings, f"{PREFIX}APP_API_KEY": key, **logged}

    def shown(self) -> list[str]:
        """Environment variables as a shell command would show them, without secrets."""
        known = SETTINGS["properties"]
        visible = {
            name: value
            for name, value in self.settings.items()
            if name in known and not known[name].get("secret")
        }
        variables = self._variables(visible).items()
        key = f'{PREFIX}APP_API_KEY="${self.app_api_key_env}"'
        return [key, *(f"{name}={shlex.quote(value)}" for name, value in variables)]

    def _variables(self, settings: Mapping[str, Any]) -> dict[str, str]:
        return {
            f"{PREFIX}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in {"region": self.region, **settings}.items()
            if value is not None
        }
