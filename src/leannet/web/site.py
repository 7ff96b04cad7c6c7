"""`web`: an artifact as a static site that runs it in the visitor's browser, with onnxruntime-web.

The files of one version lie in a folder that is named by their digest and never change; index.html, which may, names
that folder. So a site can be replaced at its address, and what a browser has kept of the one before is not mixed in.
"""

import gzip
import hashlib
import html
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image

from leannet import __version__
from leannet.artifact.artifact import Artifact
from leannet.console import Console
from leannet.cost import count
from leannet.data.dataset import LeftOut, grouped_by_reason
from leannet.data.sources.walking import walk
from leannet.errors import LeannetError
from leannet.evaluation.metrics import wilson
from leannet.files import check_writable
from leannet.header import Header
from leannet.sections import Provenance
from leannet.web.onnxruntime_web import BACKENDS, PACKAGE, VERSION, Files, runtime_files
from leannet.web.source import artifact_file, opened
from leannet.web.titles import title_of

MARKER = "model.json"
READABLE = (".jpg", ".jpeg", ".jfif", ".png", ".gif", ".webp", ".bmp", ".avif")  # by browsers
# What the page and its workers may load: what lies beside them, and images that the visitor gives them.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' blob:; media-src blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)
AT_ROOT = ("index.html", "sw.js")
FROM = {"data": "on", "parent": "from", "source": "from"}  # of the header's provenance, in words
GPS = 0x8825  # the tag of EXIF where a place is


@dataclass(frozen=True)
class Site:
    """A site that was written."""

    path: Path
    version: str  # a digest of all that is in it
    artifact: str
    title: str
    precision: str
    backends: tuple[str, ...]
    runtime: str
    samples: int
    files: int
    size_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self) | {"path": str(self.path)}


def make_site(
    source: str | Path,
    out: str | Path,
    samples: Sequence[str | Path] | None = None,
    runtime: str | Path | None = None,
    quiet: bool = False,
    title: str | None = None,
    webgpu: bool = False,
    force: bool = False,
    integers: bool = False,
) -> Site:
    """Writes a folder that any web server can serve: the artifact, a page that runs it, and onnxruntime-web.

    source: an artifact, or a run or checkpoint, which is exported as float32. out: a new or an empty folder; it is
    written whole or not at all. samples: images or folders of images for visitors to try, copied as they are; without
    them the page shows the golden images. runtime: onnxruntime-web of VERSION, as the .tgz of `npm pack` or unpacked;
    None: from the cache, where `npm pack` puts it the first time. title: None: the classes. webgpu: with the build
    that can use it. force: replace a site made before. integers: of a run, the 8-bit artifact that `quantize` wrote
    beside it; an 8-bit artifact is then taken without a note about its time.
    Raises LeannetError for an artifact that no browser runs, where `out` is something else, where integers are asked
    for and there are none, and where the runtime is not to be had.
    """
    console = Console(quiet)
    target = Path(out)
    _must_be_free(target, force)
    check_writable(target)
    with artifact_file(source, integers) as file:
        artifact, graph = opened(file, integers, console), file.read_bytes()
    images = _samples(samples or (), console)
    backends = tuple(BACKENDS) if webgpu else ("wasm",)
    inside = _page() | _backends(runtime_files(runtime, backends, console))
    inside["model.onnx"] = graph
    inside |= {file: path.read_bytes() for file, path in images.items()}
    inside |= {file: golden.png for file, golden in zip(_patterns(artifact), artifact.golden, strict=True)}
    about = _about(artifact, title or title_of(artifact.header.classes), backends, inside, images)
    inside["model.json"] = json.dumps(about, ensure_ascii=False).encode()
    version = _digest(inside | _templates() | {"policy": POLICY.encode()})[:12]
    written = _in_folder(inside, about, version)
    written[MARKER] = json.dumps({"version": version, "folder": f"v-{version}/"} | about, ensure_ascii=False).encode()
    _write(written, target)
    return Site(
        path=target,
        version=version,
        artifact=str(source),
        title=about["title"],
        precision=artifact.precision,
        backends=backends,
        runtime=about["runtime"],
        samples=len(about["samples"]),
        files=len(written),
        size_bytes=sum(map(len, written.values())),
    )


# What is in it


def _about(
    artifact: Artifact, title: str, backends: Sequence[str], inside: Files, images: Mapping[str, Path]
) -> dict[str, Any]:
    """What the page knows of the network: model.json."""
    header, total, patterns = artifact.header, count(artifact.header.architecture), _patterns(artifact)
    names = {file: path.stem for file, path in images.items()}
    if not images:
        names = {file: f"pattern {number}" for number, file in enumerate(patterns, start=1)}
    return {
        "title": title,
        "name": header.architecture.name,
        "classes": list(header.classes),
        "input": "uint8" if artifact.takes_uint8 else "float32",
        "precision": artifact.precision,
        "params": total.params,
        "macs": total.macs,
        "preprocessing": header.preprocessing.model_dump(mode="json"),
        "accuracy": _accuracy(header),
        "provenance": _provenance(header.provenance),
        "model": {"file": "model.onnx", "size_bytes": len(inside["model.onnx"])},
        "backends": {
            each: {"runtime": f"ort/{each}.js", "wasm": {"file": f"ort/{each}.wasm.gz",
                   "size_bytes": len(inside[f"ort/{each}.wasm.gz"])}}
            for each in backends
        },
        "golden": [{"file": file, "outputs": [float(value) for value in golden.outputs]}
                   for file, golden in zip(patterns, artifact.golden, strict=True)],
        "tolerance": artifact.shipping.tolerance,
        "samples": [{"file": file, "name": name} for file, name in names.items()],
        "samples_are": "images" if images else "patterns",
        "leannet": __version__,
        "runtime": f"{PACKAGE} {VERSION}",
    }  # fmt: skip


def _patterns(artifact: Artifact) -> list[str]:
    return [f"golden/{number}.png" for number in range(1, len(artifact.golden) + 1)]


def _accuracy(header: Header) -> dict[str, Any] | None:
    """On images that it was not trained on, with the 95 % Wilson interval. None where the header does not say."""
    own, shipping = header.metrics.validation, header.shipping
    accuracy, images = (own.accuracy, own.images) if own else (None, None)
    if shipping is not None and shipping.accuracy_after is not None:  # of the integers
        accuracy, images = shipping.accuracy_after, shipping.evaluated_on
    if accuracy is None or not images:
        return None
    low, high = wilson(round(accuracy * images), images)
    return {"accuracy": accuracy, "low": low, "high": high, "images": images}


def _provenance(provenance: Provenance) -> dict[str, Any]:
    """Without folders, which are nobody's business on a page."""
    done = ", ".join(step.done for step in provenance.history) or "made"
    words = [f"{done} with leannet {provenance.leannet}"]
    words += [f"{word} {_last(value)}" for key, word in FROM.items() if (value := getattr(provenance, key))]
    return {"origin": ", ".join(words), "license": provenance.license}


def _last(place: str) -> str:
    """The name on a hub, or the last part of a path."""
    return place[place.index("hub:") :] if "hub:" in place else Path(place).name


def _templates() -> Files:
    folder = files("leannet.web") / "static"
    return {name: (folder / name).read_bytes() for name in AT_ROOT}


def _page() -> Files:
    folder = files("leannet.web") / "static"
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file() and each.name not in AT_ROOT}


def _backends(found: Files) -> Files:
    """The runtime's files as the page names them; WebAssembly packed, since few servers do that."""
    made = {"ort/LICENSE": found["LICENSE"]}
    for backend, names in BACKENDS.items():
        script, binary = names
        if script in found:
            made[f"ort/{backend}.js"] = found[script]
            made[f"ort/{backend}.wasm.gz"] = gzip.compress(found[binary], compresslevel=6, mtime=0)
    return made


def _in_folder(inside: Files, about: Mapping[str, Any], version: str) -> Files:
    """All files of the site: those of this version in their folder, and beside it what names the folder."""
    folder = f"v-{version}/"
    made = {folder + name: data for name, data in inside.items()}
    size = f"{about['model']['size_bytes'] / 1e6:.2f} MB"
    summary = f"{about['name']}, {len(about['classes'])} classes, {size}, {about['precision']}"
    words = {"title": html.escape(about["title"]), "summary": html.escape(summary), "folder": folder,
             "policy": POLICY}  # fmt: skip
    templates = {name: data.decode() for name, data in _templates().items()}
    page = re.sub(r"{{(\w+)}}", lambda found: words[found[1]], templates["index.html"])
    manifest = {"name": about["title"], "short_name": about["title"], "start_url": "./", "display": "standalone",
                "icons": [{"src": f"{folder}icon.svg", "sizes": "any", "type": "image/svg+xml"}]}  # fmt: skip
    made["index.html"] = page.encode()
    made["leannet.js"] = f'export * from "./{folder}network.js";\n'.encode()
    made["manifest.webmanifest"] = json.dumps(manifest, ensure_ascii=False).encode()
    keep = sorted(name for name in made if "/ort/webgpu." not in name)  # those when they are used
    site = json.dumps({"version": version, "folder": folder, "keep": keep, "policy": POLICY})
    made["sw.js"] = f"const SITE = {site};\n{templates['sw.js']}".encode()
    return made


def _digest(inside: Files) -> str:
    total = hashlib.sha256()
    for name, data in sorted(inside.items()):
        total.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    return total.hexdigest()


def _samples(given: Iterable[str | Path], console: Console) -> dict[str, Path]:
    """The user's own images: file in the site -> path. Raises LeannetError for what no browser reads."""
    paths: list[Path] = []
    others: list[LeftOut] = []
    for path in map(Path, given):
        every = [path] if path.is_file() else []
        if path.is_dir():
            tree, trouble = walk(path)
            every = sorted(tree.all_images() + tree.all_others())
            others += trouble.left_out()
        found = [each for each in every if each.suffix.lower() in READABLE]
        if not found:
            raise LeannetError(f"--samples {path}: expected images ({' '.join(READABLE)}), found none")
        paths += found
        unread = tuple(str(each) for each in every if each not in set(found))
        others.append(LeftOut("file", "not named as an image that browsers read", unread))
    for each in grouped_by_reason(others):
        console.say(each.line())
    placed = [path for path in paths if _tells_where(path)]
    if placed:
        console.say(
            f"{len(placed)} of the samples, such as {placed[0]}, tell where they were taken, and so will the site"
        )
    return {f"samples/{number}{path.suffix.lower()}": path for number, path in enumerate(paths, start=1)}


def _tells_where(path: Path) -> bool:
    with warnings.catch_warnings(), suppress(Exception):  # whatever a damaged tag raises
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            return bool(image.getexif().get_ifd(GPS))
    return False


# Writing


def _must_be_free(target: Path, force: bool) -> None:
    if target.is_dir() and not any(target.iterdir()):
        return
    if _is_site(target):
        if force:
            return
        raise LeannetError(f"--out {target}: a site is there already: replace it with --force, or name another folder")
    if target.exists():
        raise LeannetError(f"--out {target}: expected a new or an empty folder, found something else there")


def _is_site(folder: Path) -> bool:
    try:
        found = json.loads((folder / MARKER).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"leannet", "version", "folder"} <= set(found)


def _write(made: Files, target: Path) -> None:
    """The folder, whole or not at all."""
    target = target.absolute()
    new, old = (target.with_name(f".{target.name}.{word}-{os.getpid()}") for word in ("new", "old"))
    try:
        for name, data in made.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if target.exists():
            target.rename(old)
        new.rename(target)
    except OSError as error:
        raise LeannetError(f"--out {target}: cannot be written ({error.strerror}); nothing was changed there") from None
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for folder in (new, old):
            shutil.rmtree(folder, ignore_errors=True)
