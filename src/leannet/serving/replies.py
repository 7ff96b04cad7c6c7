"""Answers as JSON, a line each."""

import json
from typing import Any

from starlette.responses import Response

from leannet.serving.limits import Refused

# No page of this server needs anything from elsewhere, and an answer needs nothing at all.
NOTHING = "default-src 'none'; frame-ancestors 'none'"


def reply(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """One line of JSON, which is not to be kept."""
    given = {"cache-control": "no-store", "content-security-policy": NOTHING} | (headers or {})
    return Response(json.dumps(data, ensure_ascii=False) + "\n", status, given, "application/json")


def error(refused: Refused, headers: dict[str, str] | None = None) -> Response:
    """{"error": one line}."""
    wait = {"retry-after": "1"} if refused.status == 503 else {}
    return reply({"error": str(refused)}, refused.status, wait | (headers or {}))
