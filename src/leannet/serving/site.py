"""The folder of `leannet web`, with the headers that threads in a browser need, and nothing outside it."""

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
VERSIONED = re.compile(r"v-[0-9a-f]{8,64}/")  # the folder whose name is the digest of what is in it
# Whatever this system's own table says.
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
    """A folder of static files. What begins with a dot, leads out of the folder or cannot be read is not there."""

    def __init__(self, folder: Path):
        super().__init__(directory=folder, html=True)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """As Starlette's, for fewer files."""
        if any(part.startswith(".") and part != "." for part in PurePath(path).parts):
            return "", None
        full_path, found = super().lookup_path(path)
        return (full_path, found) if found is not None and os.access(full_path, os.R_OK) else ("", None)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, with its type and how long it may be kept: asked about each time, but where names hold a digest."""
        try:
            response = await super().get_response(path, scope)
        except HTTPException as refused:
            raise HTTPException(404) if refused.status_code == 401 else refused from None
        for_ever = VERSIONED.match(PurePath(path).as_posix()) and response.status_code < 400
        response.headers["cache-control"] = "max-age=31536000, immutable" if for_ever else "no-cache"
        suffix = ".html" if scope["path"].endswith("/") else PurePath(path).suffix.lower()
        if response.status_code in {200, 206} and suffix in TYPES:
            response.headers["content-type"] = TYPES[suffix]
        return response


def artifact_in(site: Path) -> Artifact | None:
    """The artifact of a site. None where the folder is none. Raises LeannetError where the artifact is damaged."""
    try:
        about = json.loads((site / MARKER).read_bytes())
        file = site / about["folder"] / about["model"]["file"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not (site / "index.html").is_file() or not file.resolve().is_relative_to(site.resolve()):
        return None
    return open_artifact(file)
