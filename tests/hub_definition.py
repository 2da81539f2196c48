"""The definition of the tap for Meltano Hub, generated from `--about`.

`python tests/hub_definition.py` writes docs/tap-customerio.yml; a test compares.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tap_customerio.streams import all_streams

FILE = Path(__file__).parents[1] / "docs" / "tap-customerio.yml"

KINDS = {"number": "string"}  # Meltano refuses decimals as integers, and breaks on kind: decimal


def about() -> dict[str, Any]:
    """The output of `--about`."""
    command = [sys.executable, "-m", "tap_customerio", "--about", "--format", "json"]
    printed = subprocess.run(command, check=True, capture_output=True).stdout
    found: dict[str, Any] = json.loads(printed)
    return found


def definition() -> str:
    """The expected file."""
    info = about()
    properties = info["settings"]["properties"]
    off = sorted(stream.name for stream in all_streams() if not stream.selected_by_default)
    shown = {
        "name": info["name"],
        "namespace": info["name"].replace("-", "_"),
        "variant": "contributors",
        "label": "Customer.io",
        "description": "Messages, people, campaigns and their metrics",
        "domain_url": "https://docs.customer.io/integrations/api/app/",
        "keywords": ["api", "meltano_sdk"],
        "maintenance_status": "active",
        "pip_url": info["name"],
        "executable": info["name"],
        "capabilities": sorted(info["capabilities"]),
        "settings_group_validation": [info["settings"]["required"]],
        "settings": [setting(name, properties[name]) for name in properties],
        "select": ["*.*", *(f"!{name}.*" for name in off)],
    }
    text: str = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=100)
    return f"# For Meltano Hub. Generated: python tests/hub_definition.py\n{text}"


def setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A setting in Meltano's format."""
    kind = next(kind for kind in schema["type"] if kind != "null")
    choices = [choice for choice in schema.get("enum", ()) if choice is not None]
    shown: dict[str, Any] = {"name": name, "label": schema["title"]}
    shown["description"] = schema["description"]
    shown["kind"] = KINDS.get(kind, kind)
    if schema.get("format") == "date-time":
        shown["kind"] = "date_iso8601"
    if schema.get("secret"):
        shown["sensitive"] = True
    if choices:
        shown["kind"] = "options"
        shown["options"] = [{"label": label(choice), "value": choice} for choice in choices]
    if "default" in schema and name != "user_agent":  # the default contains the version
        shown["value"] = schema["default"]
    return shown


def label(choice: str) -> str:
    """Words for a choice, with capital initials."""
    return choice.upper() if choice in {"us", "eu"} else choice.capitalize()


if __name__ == "__main__":
    FILE.write_text(definition())
