"""Responses as JSON, one line each."""

import json
from typing import Any

from starlette.responses import Response

from leannet.serving.limits import Refused

# The content security policy of a response that is not a page.
NOTHING = "default-src 'none'; frame-ancestors 'none'"


def reply(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """One line of JSON, which no cache may store."""
    all_headers = {"cache-control": "no-store", "content-security-policy": NOTHING} | (headers or {})
    return Response(json.dumps(data, ensure_ascii=False) + "\n", status, all_headers, "application/json")


def error(refused: Refused, headers: dict[str, str] | None = None) -> Response:
    """The response {"error": one line}."""
    retry = {"retry-after": "1"} if refused.status == 503 else {}
    return reply({"error": str(refused)}, refused.status, retry | (headers or {}))
