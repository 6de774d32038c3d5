"""One call to the service: what to send, and how to read what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from volition.errors import VolitionError

A = TypeVar("A")
B = TypeVar("B")


class ApiError(VolitionError):
    """The service refused a call; ``fields`` holds the status and the problem document."""

    code = "api"


@dataclass(frozen=True)
class Call(Generic[A]):
    """One call.

    Attributes
    ----------
    method, path, query, body
        The request; keys of the query that are None are left out.
    read
        Makes the result from the body of the answer.
    accept
        Statuses that are no refusal, beside those of success.
    """

    method: str
    path: str
    read: Callable[[bytes], A]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    accept: tuple[int, ...] = ()

    def request(self) -> dict[str, Any]:
        """Give the arguments for ``httpx``'s ``request``."""
        query = {key: value for key, value in self.query.items() if value is not None}
        return {"method": self.method, "url": self.path, "params": query, "json": self.body}

    def then(self, take: Callable[[A], B]) -> Call[B]:
        """Give the call that results in a part of what this one does."""
        return Call(
            self.method,
            self.path,
            lambda body: take(self.read(body)),
            self.query,
            self.body,
            self.accept,
        )

    def result(self, response: httpx.Response) -> A:
        """Read the answer.

        Raises
        ------
        ApiError
            The service refused the call.
        """
        if response.is_success or response.status_code in self.accept:
            return self.read(response.content)
        try:
            problem = response.json()
        except ValueError:
            problem = {"detail": response.text}
        detail = problem.get("detail") or f"status {response.status_code}"
        raise ApiError(str(detail), status=response.status_code, problem=problem)


def session_path(id: str, what: str = "") -> str:
    """Give the path of a session, or of something of it."""
    return f"/v1/sessions/{quote(id, safe='')}{what}"
