"""`web`: an artifact as a static site that runs it in the visitor's browser, with onnxruntime-web.

The files of one version are in a folder that is named by their digest, and never change. index.html, which may change,
names that folder. So a site can be replaced at its address without mixing new files with those in a browser's cache.
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
from leannet.files import check_writable
from leannet.header import Header
from leannet.sections import BoxSummary, Provenance, of_classes
from leannet.tasks.metrics import wilson
from leannet.web.onnxruntime_web import BACKENDS, PACKAGE, VERSION, Files, runtime_files
from leannet.web.source import artifact_file, open_for_browsers
from leannet.web.titles import title_of

MARKER = "model.json"
READABLE = (".jpg", ".jpeg", ".jfif", ".png", ".gif", ".webp", ".bmp", ".avif")  # by browsers
# What the page and its workers may load: the files of the site, and images that the visitor chooses.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' blob:; media-src blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)
AT_ROOT = ("index.html", "sw.js")
PREPOSITIONS = {"data": "on", "parent": "from", "source": "from"}  # before values of the header's provenance
GPS = 0x8825  # the EXIF tag of a position


@dataclass(frozen=True)
class Site:
    """A site that was written."""

    path: Path
    version: str  # a digest of its contents
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
    written whole or not at all. samples: images or folders of images for visitors to try, copied unchanged; without
    them the page offers the golden images. runtime: onnxruntime-web of VERSION, as the .tgz of `npm pack` or unpacked;
    None: the cache, which `npm pack` fills the first time. title: None: the classes. webgpu: adds the build that can
    use it. force: replaces an earlier site. integers: takes the 8-bit artifact that `quantize` wrote beside a run; an
    8-bit artifact is then accepted without a note about its time.
    Raises LeannetError for an artifact that no browser runs, where `out` holds something else, where there are no
    integers although they are asked for, and where the runtime cannot be found or fetched.
    """
    console = Console(quiet)
    target = Path(out)
    _check_target(target, force)
    check_writable(target)
    with artifact_file(source, integers) as file:
        artifact, graph = open_for_browsers(file, integers, console), file.read_bytes()
    images = _samples(samples or (), console)
    backends = tuple(BACKENDS) if webgpu else ("wasm",)
    versioned = _page_files() | _backend_files(runtime_files(runtime, backends, console))
    versioned["model.onnx"] = graph
    versioned |= {file: path.read_bytes() for file, path in images.items()}
    versioned |= {file: golden.png for file, golden in zip(_golden_files(artifact), artifact.golden, strict=True)}
    default = title_of(artifact.header.classes, artifact.task.name)
    model = _model_json(artifact, title or default, backends, versioned, images)
    versioned["model.json"] = json.dumps(model, ensure_ascii=False).encode()
    version = _digest(versioned | _templates() | {"policy": POLICY.encode()})[:12]
    contents = _site_files(versioned, model, version)
    contents[MARKER] = json.dumps({"version": version, "folder": f"v-{version}/"} | model, ensure_ascii=False).encode()
    _write(contents, target)
    return Site(
        path=target,
        version=version,
        artifact=str(source),
        title=model["title"],
        precision=artifact.precision,
        backends=backends,
        runtime=model["runtime"],
        samples=len(model["samples"]),
        files=len(contents),
        size_bytes=sum(map(len, contents.values())),
    )


# Its contents


def _model_json(
    artifact: Artifact, title: str, backends: Sequence[str], versioned: Files, images: Mapping[str, Path]
) -> dict[str, Any]:
    """The contents of model.json: what the page knows of the network."""
    header, total, patterns = artifact.header, count(artifact.header.architecture), _golden_files(artifact)
    names = {file: path.stem for file, path in images.items()}
    if not images:
        names = {file: f"pattern {number}" for number, file in enumerate(patterns, start=1)}
    return {
        "title": title,
        "name": header.architecture.name,
        "task": artifact.task.name,
        "classes": list(header.classes),
        "input": "uint8" if artifact.takes_uint8 else "float32",
        "precision": artifact.precision,
        "params": total.params,
        "macs": total.macs,
        "preprocessing": header.preprocessing.model_dump(mode="json"),
        "accuracy": _accuracy(header),
        "provenance": _provenance(header.provenance),
        "model": {"file": "model.onnx", "size_bytes": len(versioned["model.onnx"])},
        "backends": {
            backend: {"runtime": f"ort/{backend}.js", "wasm": {"file": f"ort/{backend}.wasm.gz",
                      "size_bytes": len(versioned[f"ort/{backend}.wasm.gz"])}}
            for backend in backends
        },
        "golden": [{"file": file, "outputs": golden.outputs.tolist()}
                   for file, golden in zip(patterns, artifact.golden, strict=True)],
        "tolerance": artifact.shipping.tolerance,
        "samples": [{"file": file, "name": name} for file, name in names.items()],
        "samples_are": "images" if images else "patterns",
        "leannet": __version__,
        "runtime": f"{PACKAGE} {VERSION}",
    }  # fmt: skip


def _golden_files(artifact: Artifact) -> list[str]:
    return [f"golden/{number}.png" for number in range(1, len(artifact.golden) + 1)]


def _accuracy(header: Header) -> dict[str, Any] | None:
    """Accuracy on images it was not trained on, with the 95 % Wilson interval, or of boxes average precision. None if
    the header has none."""
    shipping = header.shipping
    if isinstance(boxes := header.metrics.validation, BoxSummary):
        if shipping is not None and shipping.ap_after is not None:  # of the integers
            return {"ap": shipping.ap_after, "images": shipping.evaluated_on}
        if boxes.ap is None:
            return None
        return {"ap": boxes.ap, "ap50": boxes.ap50, "images": boxes.images, "objects": boxes.objects}
    validation = of_classes(header.metrics.validation)
    accuracy, images = (validation.accuracy, validation.images) if validation else (None, None)
    if shipping is not None and shipping.accuracy_after is not None:  # of the integers
        accuracy, images = shipping.accuracy_after, shipping.evaluated_on
    if accuracy is None or not images:
        return None
    low, high = wilson(round(accuracy * images), images)
    return {"accuracy": accuracy, "low": low, "high": high, "images": images}


def _provenance(provenance: Provenance) -> dict[str, Any]:
    """Origin and license, without folder names, which do not belong on a public page."""
    steps = ", ".join(step.done for step in provenance.history) or "made"
    phrases = [f"{steps} with leannet {provenance.leannet}"]
    phrases += [f"{word} {_last(value)}" for key, word in PREPOSITIONS.items() if (value := getattr(provenance, key))]
    return {"origin": ", ".join(phrases), "license": provenance.license}


def _last(place: str) -> str:
    """The name on a hub, or the last part of a path."""
    return place[place.index("hub:") :] if "hub:" in place else Path(place).name


def _templates() -> Files:
    folder = files("leannet.web") / "static"
    return {name: (folder / name).read_bytes() for name in AT_ROOT}


def _page_files() -> Files:
    folder = files("leannet.web") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file() and file.name not in AT_ROOT}


def _backend_files(package: Files) -> Files:
    """The runtime's files as the page names them. WebAssembly is compressed, since few servers compress it."""
    contents = {"ort/LICENSE": package["LICENSE"]}
    for backend, names in BACKENDS.items():
        script, binary = names
        if script in package:
            contents[f"ort/{backend}.js"] = package[script]
            contents[f"ort/{backend}.wasm.gz"] = gzip.compress(package[binary], compresslevel=6, mtime=0)
    return contents


def _site_files(versioned: Files, model: Mapping[str, Any], version: str) -> Files:
    """All files of the site: those of this version in their folder, and beside it the files that name the folder."""
    folder = f"v-{version}/"
    contents = {folder + name: data for name, data in versioned.items()}
    size = f"{model['model']['size_bytes'] / 1e6:.2f} MB"
    summary = f"{model['name']}, {len(model['classes'])} classes, {size}, {model['precision']}"
    fields = {"title": html.escape(model["title"]), "summary": html.escape(summary), "folder": folder,
              "policy": POLICY}  # fmt: skip
    templates = {name: data.decode() for name, data in _templates().items()}
    page = re.sub(r"{{(\w+)}}", lambda match: fields[match[1]], templates["index.html"])
    manifest = {"name": model["title"], "short_name": model["title"], "start_url": "./", "display": "standalone",
                "icons": [{"src": f"{folder}icon.svg", "sizes": "any", "type": "image/svg+xml"}]}  # fmt: skip
    contents["index.html"] = page.encode()
    contents["leannet.js"] = f'export * from "./{folder}network.js";\n'.encode()
    contents["manifest.webmanifest"] = json.dumps(manifest, ensure_ascii=False).encode()
    keep = sorted(name for name in contents if "/ort/webgpu." not in name)  # WebGPU's files once they are used
    site = json.dumps({"version": version, "folder": folder, "keep": keep, "policy": POLICY})
    contents["sw.js"] = f"const SITE = {site};\n{templates['sw.js']}".encode()
    return contents


def _digest(contents: Files) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(contents.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    return digest.hexdigest()


def _samples(sources: Iterable[str | Path], console: Console) -> dict[str, Path]:
    """The user's own images: file in the site -> path. Raises LeannetError where there are none that browsers read."""
    images: list[Path] = []
    left_out: list[LeftOut] = []
    for source in map(Path, sources):
        if not source.exists():
            raise LeannetError(f"--samples {source}: no such file or folder")
        candidates = [source] if source.is_file() else []
        if source.is_dir():
            tree, trouble = walk(source)
            candidates = sorted(tree.all_images() + tree.all_others())
            left_out += trouble.left_out()
        readable = [path for path in candidates if path.suffix.lower() in READABLE]
        if not readable:
            raise LeannetError(f"--samples {source}: expected images ({' '.join(READABLE)}), found none")
        images += readable
        unreadable = tuple(str(path) for path in candidates if path not in set(readable))
        left_out.append(LeftOut("file", "not named as an image that browsers read", unreadable))
    for group in grouped_by_reason(left_out):
        console.say(group.line())
    located = [path for path in images if _has_position(path)]
    if located:
        console.say(
            f"note: {len(located)} of the samples, such as {located[0]}, contain the position where they were taken, "
            "and the site will too"
        )
    return {f"samples/{number}{path.suffix.lower()}": path for number, path in enumerate(images, start=1)}


def _has_position(path: Path) -> bool:
    with warnings.catch_warnings(), suppress(Exception):  # whatever a damaged tag raises
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            return bool(image.getexif().get_ifd(GPS))
    return False


# Writing


def _check_target(target: Path, force: bool) -> None:
    if target.is_dir() and not any(target.iterdir()):
        return
    if _is_site(target):
        if force:
            return
        raise LeannetError(
            f"--out {target}: expected a new or an empty folder, found a site: replace it with --force, "
            "or name another folder"
        )
    if target.exists():
        raise LeannetError(
            f"--out {target}: expected a new or an empty folder, found something else: name another folder"
        )


def _is_site(folder: Path) -> bool:
    try:
        model = json.loads((folder / MARKER).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(model, dict) and {"leannet", "version", "folder"} <= set(model)


def _write(contents: Files, target: Path) -> None:
    """Writes the folder whole or not at all."""
    target = target.absolute()
    new, old = (target.with_name(f".{target.name}.{word}-{os.getpid()}") for word in ("new", "old"))
    try:
        for name, data in contents.items():
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
