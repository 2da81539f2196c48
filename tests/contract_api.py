"""A fake API that returns the examples of the contracts."""

from __future__ import annotations

import io
import json
import re
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
from contract_list import DOCUMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


PRESENT = datetime(2026, 9, 12, tzinfo=timezone.utc)
"""The API's clock: just after the times of the examples."""


UNTOLD: dict[str, dict[str, Any]] = {"/v1/design_studio/folders": {"folders": []}}
"""Responses without an example in the contracts, of which no stream reads rows."""


class Api:
    """Responds to every request with the contract's example."""

    def __init__(self, *, example: int) -> None:
        """`example` selects one of several examples."""
        self.requested: set[str] = set()
        self._example = example

    def method(self) -> Callable[..., requests.Response]:
        """Replaces `HTTPAdapter.send`."""

        def send(_: object, request: requests.PreparedRequest, **__: Any) -> requests.Response:
            return self._send(request)

        return send

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        response = requests.Response()
        response.request, response.url = request, str(request.url)
        response.headers["Date"] = format_datetime(PRESENT, usegmt=True)
        path, query = urlsplit(response.url)[2:4]
        found = [operation for operation, known in OPERATIONS.items() if known.match(request, path)]
        # Paths without parameters have priority.
        operation = min(found, key=lambda operation: operation.count("{"), default="")
        self.requested.add(operation)
        body = OPERATIONS[operation].example(self._example) if operation else UNTOLD[path]
        if isinstance(body, dict):
            body = {**body, **({"next": ""} if "next" in body else {})}
            if "parent_folder_id" in query:  # None of the examples is in a folder.
                body = dict.fromkeys(body)
        response.status_code = requests.codes.ok
        response.raw = io.BytesIO(self.body(body, request))
        return response

    def body(self, body: Any, request: requests.PreparedRequest) -> bytes:  # noqa: ARG002
        """The response as JSON."""
        return json.dumps(body).encode()


class Operation(NamedTuple):
    """One operation of a contract."""

    method: str
    path: re.Pattern[str]
    examples: list[Any]

    def match(self, request: requests.PreparedRequest, path: str) -> bool:
        """Whether a request matches the operation."""
        return request.method == self.method and self.path.fullmatch(path) is not None

    def example(self, number: int) -> Any:
        """The example of this number, or the last one."""
        return self.examples[min(number, len(self.examples) - 1)]


def _operations() -> Iterator[tuple[str, Operation]]:
    for document in DOCUMENTS:
        for path, methods in document["paths"].items():
            for method, stated in methods.items():
                [content] = stated["responses"]["200"]["content"].values()
                examples = [each["value"] for each in content.get("examples", {}).values()]
                yield (
                    f"{method.upper()} {path}",
                    Operation(
                        method.upper(),
                        re.compile(re.sub(r"\{\w+\}", "[^/]+", path)),
                        examples or [content["example"]],
                    ),
                )


OPERATIONS = dict(_operations())


def rows_of(body: Any, place: str) -> list[Any]:
    """The rows at `member[]`, `[]`, `member` or the whole."""
    found = body[name] if (name := place.removesuffix("[]")) else body
    return (found or []) if place.endswith("[]") else [found]
