"""onnxruntime-web, which runs networks in browsers: one version of it, fetched with npm once, and verified."""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from leannet.console import Console
from leannet.errors import LeannetError

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# Of each backend: its JavaScript and its WebAssembly in the package's dist/, with their SHA-256.
BACKENDS = {
    "wasm": {
        "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
        "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    },
    "webgpu": {
        "ort.webgpu.bundle.min.mjs": "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
        "ort-wasm-simd-threaded.asyncify.wasm": "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
    },
}

Files = dict[str, bytes]


def runtime_files(given: str | Path | None, backends: Sequence[str], console: Console) -> Files:
    """The files that the backends need by their names in the package, and LICENSE, verified.

    given: the package's .tgz, or a folder with it; None: the cache. Raises LeannetError where it is not to be had.
    """
    wanted = {name: digest for each in backends for name, digest in BACKENDS[each].items()}
    source = Path(given) if given is not None else _cached(console)
    if source.is_file():
        found = _of_archive(source, wanted)
    else:
        folders = [source, source / "package", source / "node_modules" / PACKAGE]
        place = next((each for each in folders if (each / "dist").is_dir()), None)
        if place is None:
            raise LeannetError(f"{source}: expected {PACKAGE} {VERSION}, its .tgz or that unpacked, found neither")
        found = {name: (place / "dist" / name).read_bytes() for name in wanted if (place / "dist" / name).is_file()}
    for name, digest in wanted.items():
        if hashlib.sha256(found.get(name, b"")).hexdigest() != digest:
            raise LeannetError(f"{source}: expected {PACKAGE} {VERSION}, found another version or a damaged {name}")
    return found | {"LICENSE": (files("leannet.web") / "static" / "ort" / "LICENSE").read_bytes()}


def _of_archive(path: Path, wanted: Iterable[str]) -> Files:
    try:
        with tarfile.open(path) as archive:
            members = {member.name: member for member in archive if member.isfile()}
            inside = {name: members.get(f"package/dist/{name}") for name in wanted}
            return {name: archive.extractfile(member).read() for name, member in inside.items() if member}  # type: ignore[union-attr]  # all are files
    except (tarfile.TarError, OSError, EOFError) as error:
        raise LeannetError(f"{path}: expected {PACKAGE}-{VERSION}.tgz, found something else ({error})") from None


def _cached(console: Console) -> Path:
    """The folder with the runtime in the user's cache; filled by npm the first time."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "leannet" / f"{PACKAGE}-{VERSION}"
    if not folder.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise LeannetError(
                f"{PACKAGE} {VERSION} is needed once, and npm, which would fetch it, is not installed: run npm pack "
                f"{PACKAGE}@{VERSION} elsewhere and give its file with --runtime"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            console.say(f"fetching {PACKAGE} {VERSION} with npm, once, into {folder}")
            _unpack(_packed(npm, Path(scratch)), Path(scratch) / "new")
            with suppress(FileExistsError):  # another process was quicker
                (Path(scratch) / "new").rename(folder)
    return folder


def _packed(npm: str, scratch: Path) -> Path:
    """What `npm pack` fetched, verified."""
    words = [npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--silent", "--pack-destination", str(scratch)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    path = scratch / f"{PACKAGE}-{VERSION}.tgz"
    if done.returncode or not path.is_file():
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LeannetError(f"npm could not fetch {PACKAGE} {VERSION} ({reason}): give its .tgz with --runtime")
    found = "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise LeannetError(f"npm fetched another {PACKAGE} {VERSION} than was expected ({found}): it is not used")
    return path


def _unpack(archive: Path, folder: Path) -> None:
    (folder / "dist").mkdir(parents=True)
    for name, data in _of_archive(archive, [name for each in BACKENDS.values() for name in each]).items():
        (folder / "dist" / name).write_bytes(data)
