"""Serves the folder of `leannet web`, with the headers that threads in a browser need, and nothing outside it."""

import json
import os
import re
from pathlib import Path, PurePath

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from leannet.artifact.artifact import Artifact
from leannet.artifact.opening import open_artifact

MARKER = "model.json"
VERSIONED = re.compile(r"v-[0-9a-f]{8,64}/")  # the folder that is named by the digest of its files
# By suffix, whatever the MIME table of this system says.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".gz": "application/gzip",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".onnx": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}


class Site(StaticFiles):
    """A folder of static files. Names that begin with a dot, links out of the folder and unreadable files are 404."""

    def __init__(self, folder: Path):
        super().__init__(directory=folder, html=True)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """As in Starlette, without hidden and unreadable files."""
        if any(part.startswith(".") and part != "." for part in PurePath(path).parts):
            return "", None
        full_path, status = super().lookup_path(path)
        return (full_path, status) if status is not None and os.access(full_path, os.R_OK) else ("", None)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, with its type. Caches revalidate it each time, unless its folder is named by a digest."""
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            raise HTTPException(404) if error.status_code == 401 else error from None
        immutable = VERSIONED.match(PurePath(path).as_posix()) and response.status_code < 400
        response.headers["cache-control"] = "max-age=31536000, immutable" if immutable else "no-cache"
        suffix = ".html" if scope["path"].endswith("/") else PurePath(path).suffix.lower()
        if response.status_code in {200, 206} and suffix in TYPES:
            response.headers["content-type"] = TYPES[suffix]
        return response


def artifact_in(site: Path) -> Artifact | None:
    """The artifact of a site. None if the folder is not a site. Raises LeannetError for a damaged artifact."""
    try:
        model = json.loads((site / MARKER).read_bytes())
        file = site / model["folder"] / model["model"]["file"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not (site / "index.html").is_file() or not file.resolve().is_relative_to(site.resolve()):
        return None
    return open_artifact(file)
