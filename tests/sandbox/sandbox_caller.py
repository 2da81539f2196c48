"""An HTTP client of the sandbox."""

from __future__ import annotations

from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.sandbox import Sandbox

DAY = 86_400
SINCE = 1_767_225_600  # 2026-01-01
MANY = 1000
EVERYONE = {"filter": {"and": [{"attribute": {"field": "cio_id", "operator": "exists"}}]}}


class Caller:
    """Requests to one sandbox over one connection."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.sandbox = sandbox
        self.session = session

    def get(self, path: str, **query: object) -> requests.Response:
        """A GET request."""
        params = {name: str(value) for name, value in query.items()}
        return self.session.get(self.sandbox.url + path, params=params, timeout=10)

    def json(self, path: str, **query: object) -> Any:
        """The body of a successful GET request."""
        response = self.get(path, **query)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: object, **query: object) -> requests.Response:
        """A POST request with JSON."""
        params = {name: str(value) for name, value in query.items()}
        return self.session.post(self.sandbox.url + path, json=body, params=params, timeout=10)

    def pages(self, path: str, key: str, **query: object) -> list[list[dict[str, Any]]]:
        """All pages of a list, following `next`."""
        pages: list[list[dict[str, Any]]] = []
        token = ""
        while len(pages) < MANY:
            body = self.json(path, **query, **({"start": token} if token else {}))
            pages.append(body[key])
            token = body.get("next", "")
            if not token:
                return pages
        raise AssertionError(f"{path} does not end")

    def rows(self, path: str, key: str, **query: object) -> list[dict[str, Any]]:
        """All rows of a list."""
        return [row for page in self.pages(path, key, **query) for row in page]


@contextmanager
def calling(sandbox: Sandbox) -> Iterator[Caller]:
    """A client with the right key."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {sandbox.app_api_key}"
        yield Caller(sandbox, session)


def token(text: str) -> str:
    """A page token."""
    return b64encode(text.encode()).decode()
