"""The page at /: a place to drop an image, and the endpoints for programs. It loads nothing from elsewhere.

It shares the style sheet of `leannet web`, but not its markup. That page has a camera, samples and settings, and
loads modules; this one is a single file with one script, which its policy names by a hash. A shared template would need
a condition in most of its lines.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from string import Template
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from leannet.serving.limits import Limits
from leannet.tasks.classification import TOP
from leannet.tasks.detection import SHOWN
from leannet.web.titles import title_of


def page(facts: Mapping[str, Any], limits: Limits) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that returns the page."""
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    fields = {
        "title": title_of(facts["classes"], facts["task"]),
        "name": facts["name"],
        "classes": f"{len(facts['classes']):,}",
        "lines": str(min(len(facts["classes"]), TOP)),
        "precision": facts["precision"],
        "size": f"{facts['size_bytes'] / 1e6:.2f} MB",
        "params": f"{facts['params']:,}",
        "files": str(limits.files),
        "megabytes": f"{limits.body_bytes / 1e6:g}",
        "answers": "Found" if facts["task"] == "detect" else "Most likely",
        "things": "objects" if facts["task"] == "detect" else "classes",
        "least": f"{SHOWN:g}",
    }
    style = (Path(__file__).parents[1] / "web" / "static" / "style.css").read_text(encoding="utf-8")  # the web page's
    values = {name: html.escape(value) for name, value in fields.items()} | {"style": style}
    values["class_names"] = json.dumps(list(facts["classes"])).replace("<", "\\u003c")  # it stands in a script
    text = Template(template).substitute(values)
    policy = (
        f"default-src 'none'; script-src {_hash(text, 'script')}; style-src {_hash(text, 'style')}; "
        "connect-src 'self'; img-src blob: data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {"content-security-policy": policy, "cache-control": "no-cache"}

    async def endpoint(_: Request) -> Response:
        return Response(text, headers=headers, media_type="text/html")

    return endpoint


def _hash(text: str, tag: str) -> str:
    """The hash by which a content security policy allows the one element of that name."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
