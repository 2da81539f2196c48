"""Write the tables of docs/models.md from the dbt package.

`python tests/model_reference.py` renews them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "models.md"
PROJECT = ROOT / "transform" / "dbt_project.yml"
MODELS = ROOT / "transform" / "models"
FIRST = ("deliveries", "message_events", "senders", "sender_daily", "people", "person_senders")
"""The models that others are made from come first."""


def text() -> str:
    """The whole page, with its tables renewed."""
    page = PAGE.read_text()
    for name, table in {"variables": _variables(), "models": _models()}.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}{table}{end}{rest.partition(end)[2]}"
    return page


def marts() -> list[dict[str, Any]]:
    """The descriptions of models in the YAML files."""
    files = (MODELS / "marts").glob("*.yml")
    found = [model for path in files for model in yaml.safe_load(path.read_text())["models"]]
    order = {f"customerio__{name}": place for place, name in enumerate(FIRST)}
    return sorted(found, key=lambda model: (order.get(model["name"], len(order)), model["name"]))


def streams_of(model: str) -> set[str]:
    """The streams that a model reads, directly or through other models."""
    if model.startswith("stg_customerio__"):
        return {model.removeprefix("stg_customerio__")}
    [path] = MODELS.rglob(f"{model}.sql")
    sql = path.read_text()
    found: set[str] = set()
    for named in re.findall(r"ref\(\s*'(\w+)'\s*\)", sql):
        found |= streams_of(named)
    if "'stg_customerio__' ~" in sql:
        views = {view.stem.removeprefix("stg_customerio__") for view in MODELS.rglob("stg_*.sql")}
        found |= views & {*re.findall(r"'(\w+)'", sql)}
    return found


def _variables() -> str:
    """Names, defaults and comments of variables."""
    defaults = yaml.safe_load(PROJECT.read_text())["vars"]["customerio"]
    lines = ["| variable | default | what it does |", "|---|---|---|"]
    comment: list[str] = []
    for line in PROJECT.read_text().splitlines():
        if found := re.match(r" +# (.*)", line):
            comment.append(found[1])
            continue
        name = line.partition(":")[0].strip()
        if name in defaults:
            shown = yaml.safe_dump(defaults[name], default_flow_style=True).split("\n")[0]
            lines.append(f"| `{name}` | `{shown}` | {' '.join(comment)} |")
        comment = []
    return "\n".join(lines) + "\n"


def _models() -> str:
    lines = ["| model | a row |", "|---|---|"]
    lines += [
        f"| [`{model['name']}`](#{model['name']}) | {model['description']} |" for model in marts()
    ]
    return "\n".join(lines) + "\n" + "".join(map(_section, marts()))


def _section(model: dict[str, Any]) -> str:
    streams = ", ".join(f"`{name}`" for name in sorted(streams_of(model["name"])))
    lines = [f"\n### {model['name']}\n", model["description"], f"\nFrom the streams {streams}.\n"]
    lines += ["| column | what it holds |", "|---|---|"]
    for column in model["columns"]:
        about = column["description"].replace("|", "\\|")
        lines.append(f"| `{column['name']}` | {about} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text())
