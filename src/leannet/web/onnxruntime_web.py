"""onnxruntime-web, which runs networks in browsers: one pinned version, fetched once with npm, and verified."""

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
# For each backend its JavaScript and its WebAssembly in the package's dist/, with their SHA-256.
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


def runtime_files(runtime: str | Path | None, backends: Sequence[str], console: Console) -> Files:
    """The files that the backends need, by their names in the package, and LICENSE. All are verified.

    runtime: the package's .tgz, or a folder with its files; None: the cache, filled by npm the first time.
    Raises LeannetError where the package is missing, damaged or of another version.
    """
    digests = {name: digest for backend in backends for name, digest in BACKENDS[backend].items()}
    source = Path(runtime) if runtime is not None else _cached(console)
    if source.is_file():
        contents = _from_archive(source, digests)
    else:
        folders = [source, source / "package", source / "node_modules" / PACKAGE]
        package = next((folder for folder in folders if (folder / "dist").is_dir()), None)
        if package is None:
            raise LeannetError(f"{source}: expected {PACKAGE} {VERSION}, its .tgz or that unpacked, found neither")
        paths = {name: package / "dist" / name for name in digests}
        contents = {name: path.read_bytes() for name, path in paths.items() if path.is_file()}
    for name, digest in digests.items():
        if hashlib.sha256(contents.get(name, b"")).hexdigest() != digest:
            raise LeannetError(f"{source}: expected {PACKAGE} {VERSION}, found another version or a damaged {name}")
    return contents | {"LICENSE": (files("leannet.web") / "static" / "ort" / "LICENSE").read_bytes()}


def _from_archive(path: Path, names: Iterable[str]) -> Files:
    try:
        with tarfile.open(path) as archive:
            members = {member.name: member for member in archive if member.isfile()}
            chosen = {name: members.get(f"package/dist/{name}") for name in names}
            return {name: archive.extractfile(member).read() for name, member in chosen.items() if member}  # type: ignore[union-attr]  # all are files
    except (tarfile.TarError, OSError, EOFError) as error:
        raise LeannetError(f"{path}: expected {PACKAGE}-{VERSION}.tgz, found something else ({error})") from None


def _cached(console: Console) -> Path:
    """The folder of the runtime in the user's cache. npm fills it the first time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "leannet" / f"{PACKAGE}-{VERSION}"
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
            _unpack(_npm_pack(npm, Path(scratch)), Path(scratch) / "new")
            with suppress(FileExistsError):  # another process was quicker
                (Path(scratch) / "new").rename(folder)
    return folder


def _npm_pack(npm: str, scratch: Path) -> Path:
    """The verified archive that `npm pack` fetched."""
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--silent", "--pack-destination", str(scratch)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    path = scratch / f"{PACKAGE}-{VERSION}.tgz"
    if completed.returncode or not path.is_file():
        reason = (completed.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LeannetError(f"npm could not fetch {PACKAGE} {VERSION} ({reason}): give its .tgz with --runtime")
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if integrity != INTEGRITY:
        raise LeannetError(
            f"npm: expected {PACKAGE} {VERSION} with {INTEGRITY}, found {integrity}: it is not used; "
            "give a package that you trust with --runtime"
        )
    return path


def _unpack(archive: Path, folder: Path) -> None:
    (folder / "dist").mkdir(parents=True)
    for name, data in _from_archive(archive, [name for digests in BACKENDS.values() for name in digests]).items():
        (folder / "dist" / name).write_bytes(data)
