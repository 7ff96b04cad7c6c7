"""Sites: all that a page needs and nothing private, written whole or not at all."""

import base64
import gzip
import hashlib
import io
import json
import re
import stat
import tarfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import leannet
from leannet.artifact import export, open_artifact
from leannet.checkpoint import save
from leannet.cli.web import command
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from leannet.sections import Metrics, Provenance, Step, Summary
from leannet.web.onnxruntime_web import BACKENDS, INTEGRITY, PACKAGE, VERSION
from leannet.web.site import make_site
from leannet.web.source import INT8_SIZE, INT8_TIME
from leannet.web.titles import title_of
from tests.conftest import draw, draw_folder, lively

HOME = "/home/somebody/secret"
WEB = Path(str(files("leannet.web") / "static"))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    network = lively(leannet.create("mobilenet_v3_debug", classes=3))
    header = Header(
        architecture=network.architecture,
        classes=("ape", "</script>", "çat"),
        preprocessing=Preprocessing(height=32, width=32),
        metrics=Metrics(validation=Summary(images=40, accuracy=0.75, accuracy_low=0.6, accuracy_high=0.86, loss=0.7)),
        provenance=Provenance(command=f"leannet train {HOME}/pets", data=f"{HOME}/pets", parent="timm: hub:owner/name",
                              history=(Step(done="trained"),), license="CC0-1.0"),
    )  # fmt: skip
    save(folder / "net.safetensors", network, header)
    exported = open_artifact(export(folder / "net.safetensors").path)
    replace(exported, header=header.model_copy(update={"shipping": exported.shipping})).save(folder / "x.onnx")
    return folder / "x.onnx"


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package in the place of onnxruntime-web, verified in the same way."""
    folder = tmp_path / "runtime" / "package"
    (folder / "dist").mkdir(parents=True)
    for backend, names in list(BACKENDS.items()):
        digests = {}
        for name in names:
            (folder / "dist" / name).write_bytes(f"{backend} {name} ".encode() * 50)
            digests[name] = hashlib.sha256((folder / "dist" / name).read_bytes()).hexdigest()
        monkeypatch.setitem(BACKENDS, backend, digests)
    return folder


def site_json(site: Path) -> dict[str, Any]:
    return json.loads((site / "model.json").read_text())


# What is in a site


def test_a_site_is_complete(artifact: Path, runtime: Path, tmp_path: Path) -> None:
    result = make_site(artifact, tmp_path / "a" / "site", runtime=runtime, title="Apes & <cats>", quiet=True)
    site, model = result.path, site_json(result.path)
    versioned = site / model["folder"]
    assert (versioned / "model.onnx").read_bytes() == artifact.read_bytes()
    assert model["classes"] == ["ape", "</script>", "çat"]
    assert Preprocessing(**model["preprocessing"]) == open_artifact(artifact).header.preprocessing
    assert model["accuracy"]["accuracy"] == 0.75
    assert model["accuracy"]["low"] < 0.75 < model["accuracy"]["high"]
    assert model["params"] == leannet.count(leannet.architecture("mobilenet_v3_debug", classes=3)).params
    assert "Microsoft" in (versioned / "ort" / "LICENSE").read_text()
    binary = runtime / "dist" / "ort-wasm-simd-threaded.wasm"
    assert gzip.decompress((versioned / "ort" / "wasm.wasm.gz").read_bytes()) == binary.read_bytes()
    page = (site / "index.html").read_text()
    assert "<title>Apes &amp; &lt;cats&gt;</title>" in page
    assert "{{" not in page
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(addresses) == 4
    for address in addresses:
        assert (site / address).is_file(), address
    (line,) = re.findall(r"^const SITE = (.*);$", (site / "sw.js").read_text(), re.M)
    worker = json.loads(line)
    written = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    assert set(worker["keep"]) == written - {"sw.js", "model.json"}
    assert result.files == len(written)
    assert result.size_bytes == sum((site / name).stat().st_size for name in written)
    assert stat.S_IMODE(site.stat().st_mode) & 0o055 == 0o055 & ~_umask()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["site"]


def _umask() -> int:
    import os

    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_all_imports_are_in_the_site_and_nothing_is_elsewhere(artifact: Path, runtime: Path, tmp_path: Path) -> None:
    site = make_site(artifact, tmp_path / "site", runtime=runtime, quiet=True).path
    imports = []
    for path in WEB.glob("*.*"):
        text = path.read_text().replace("http://www.w3.org/2000/svg", "").replace("http://ns.adobe.com", "")
        assert not re.search(r"\b(?:https?|wss?)://|\beval\(|innerHTML", text), path.name
        imports += re.findall(r'(?:from|import) "\./([^"]+)"', text)
    assert {"network.js", "resample.js"} <= set(imports)
    for name in imports:
        assert (site / site_json(site)["folder"] / name).is_file(), name
    policy = re.search(r'Security-Policy" content="([^"]+)"', (site / "index.html").read_text())
    assert policy is not None
    words = {word for part in policy[1].split("; ") for word in part.split()[1:]}
    assert words == {"'none'", "'self'", "'wasm-unsafe-eval'", "blob:"}


def test_the_page_names_no_private_folders(artifact: Path, runtime: Path, tmp_path: Path) -> None:
    site = make_site(artifact, tmp_path / "site", runtime=runtime, quiet=True).path
    written = [path for path in site.rglob("*") if path.is_file() and path.suffix != ".onnx"]  # that is the user's file
    assert len(written) > 10
    assert [path for path in written if b"somebody" in path.read_bytes()] == []
    origin = site_json(site)["provenance"]
    assert origin == {"origin": f"trained with leannet {leannet.__version__}, on pets, from hub:owner/name",
                      "license": "CC0-1.0"}  # fmt: skip


def test_the_version_is_that_of_what_is_in_it(artifact: Path, runtime: Path, tmp_path: Path) -> None:
    samples = draw_folder(tmp_path / "samples", each=1)
    ways: list[dict[str, Any]] = [{}, {}, {"title": "x"}, {"webgpu": True}, {"samples": [samples]}]
    versions = [
        make_site(artifact, tmp_path / str(number), runtime=runtime, quiet=True, **way).version
        for number, way in enumerate(ways)
    ]
    assert versions[0] == versions[1]
    assert len(set(versions)) == len(ways) - 1
    for path in (tmp_path / "0").rglob("*"):
        other = tmp_path / "1" / path.relative_to(tmp_path / "0")
        assert path.is_dir() or path.read_bytes() == other.read_bytes()
    assert (tmp_path / "3" / f"v-{versions[3]}" / "ort" / "webgpu.wasm.gz").is_file()
    assert "webgpu.wasm" not in (tmp_path / "3" / "sw.js").read_text()


def test_samples_are_copied_as_they_are(
    artifact: Path, runtime: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw_folder(tmp_path / "samples", each=1)
    (folder / "notes.txt").write_text("not an image")
    placed = Image.Exif()
    placed.get_ifd(0x8825)[1] = "N"
    draw("disc", 1).save(tmp_path / "my cat?.JPG", "JPEG", exif=placed)
    site = make_site(artifact, tmp_path / "site", [folder, tmp_path / "my cat?.JPG"], runtime).path
    model = site_json(site)
    paths = [site / model["folder"] / sample["file"] for sample in model["samples"]]
    assert [sample["name"] for sample in model["samples"]] == ["0", "0", "my cat?"]
    assert paths[2].read_bytes() == (tmp_path / "my cat?.JPG").read_bytes()
    assert "1 of the samples" in capsys.readouterr().err
    for wrong, words in (
        (folder / "notes.txt", "expected images"),
        (tmp_path / "none.png", "no such file or folder"),
        (tmp_path / "runtime", "expected images"),
    ):
        with pytest.raises(LeannetError, match=words):
            make_site(artifact, tmp_path / "other", [wrong], runtime)
    assert not (tmp_path / "other").exists()


def test_integers_of_another_engine_are_refused(artifact: Path, runtime: Path, tmp_path: Path) -> None:
    opened = open_artifact(artifact)
    shipping = opened.shipping.model_copy(update={"precision": "int8", "engines": ("openvino",)})
    replace(opened, header=opened.header.model_copy(update={"shipping": shipping})).save(tmp_path / "x.onnx")
    with pytest.raises(LeannetError, match="--engine onnxruntime") as caught:
        make_site(tmp_path / "x.onnx", tmp_path / "site", runtime=runtime)
    assert "\n" not in str(caught.value)


# Where it is written


def test_only_a_site_is_replaced_and_only_if_asked(artifact: Path, runtime: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    first = make_site(artifact, site, runtime=runtime, quiet=True)
    with pytest.raises(LeannetError, match="--force"):
        make_site(artifact, site, runtime=runtime)
    second = make_site(artifact, site, runtime=runtime, title="new", force=True, quiet=True)
    assert [path.name for path in site.glob("v-*")] == [f"v-{second.version}"]
    assert first.version != second.version
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.json").write_text('{"precious": true}')
    (tmp_path / "file").write_text("precious")
    for wrong in ("mine", "file"):
        with pytest.raises(LeannetError, match="expected a new or an empty folder"):
            make_site(artifact, tmp_path / wrong, runtime=runtime, force=True)
    assert (tmp_path / "file").read_text() == "precious"
    assert (tmp_path / "mine" / "model.json").read_text() == '{"precious": true}'


@pytest.mark.parametrize("step", ["write_bytes", "rename"])
def test_what_cannot_be_written_leaves_what_was_there(
    artifact: Path, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    place = tmp_path / "place"
    before = make_site(artifact, place / "site", runtime=runtime, quiet=True)
    real, calls = getattr(Path, step), []

    def full(self: Path, *arguments: Any) -> Any:
        calls.append(self)
        if len(calls) == 2:  # of the renames: the new site into its place
            raise OSError(28, "No space left on device")
        return real(self, *arguments)

    monkeypatch.setattr(Path, step, full)
    with pytest.raises(LeannetError, match="No space left"):
        make_site(artifact, place / "site", runtime=runtime, title="new", force=True)
    monkeypatch.undo()
    assert [path.name for path in place.iterdir()] == ["site"]
    assert site_json(place / "site")["version"] == before.version


# The runtime


def test_the_runtime_is_verified(artifact: Path, runtime: Path, tmp_path: Path) -> None:
    archive = tmp_path / f"{PACKAGE}-{VERSION}.tgz"
    with tarfile.open(archive, "w:gz") as package:
        package.add(runtime, "package")
    for number, good in enumerate((archive, runtime, runtime.parent)):
        make_site(artifact, tmp_path / f"site{number}", runtime=good, webgpu=True, quiet=True)
    (runtime / "dist" / "ort.wasm.bundle.min.mjs").write_text("another version")
    (tmp_path / "no.tgz").write_bytes(archive.read_bytes()[:50])
    for wrong, message in ((runtime, "another version or a damaged ort.wasm"), (tmp_path / "no.tgz", "something else"),
                           (tmp_path / "site0", "found neither"), (tmp_path / "none", "found neither")):  # fmt: skip
        with pytest.raises(LeannetError, match=message):
            make_site(artifact, tmp_path / "site", runtime=wrong)
    assert not (tmp_path / "site").exists()


def test_npm_is_asked_once(
    artifact: Path, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program called npm, that gives a package as npm pack does, and counts."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(LeannetError, match="npm, which would fetch it, is not installed"):
        make_site(artifact, tmp_path / "site")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as package:
        package.add(runtime, "package")
    (tmp_path / "package.tgz").write_bytes(archive.getvalue())
    (tmp_path / "bin").mkdir()
    npm = tmp_path / "bin" / "npm"

    def npm_does(*lines: str) -> None:
        tell = f'echo "$@" >> {tmp_path}/asked'
        npm.write_text("\n".join(("#!/bin/sh", "export PATH=/bin:/usr/bin", tell, *lines)))
        npm.chmod(0o755)

    npm_does("echo 'npm error network' >&2", "exit 1")
    with pytest.raises(LeannetError, match=r"could not fetch.*npm error network"):
        make_site(artifact, tmp_path / "site")
    npm_does(f'cp {tmp_path}/package.tgz "${{6}}"/{PACKAGE}-{VERSION}.tgz')
    with pytest.raises(LeannetError, match=r"npm: expected onnxruntime-web .*, found sha512-"):
        make_site(artifact, tmp_path / "site")
    assert not any((tmp_path / "cache" / "leannet").iterdir())
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.getvalue()).digest()).decode()
    monkeypatch.setattr("leannet.web.onnxruntime_web.INTEGRITY", digest)
    assert digest != INTEGRITY
    capsys.readouterr()
    make_site(artifact, tmp_path / "site")
    assert "with npm, once" in capsys.readouterr().err
    make_site(artifact, tmp_path / "again")
    assert capsys.readouterr().err == ""
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == 3
    assert asked[-1].startswith(f"pack {PACKAGE}@{VERSION} --ignore-scripts")


def test_the_verb_prints_one_object(
    artifact: Path, runtime: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(artifact, tmp_path / "site", runtime=runtime, json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["path"] == str(tmp_path / "site")
    assert printed["backends"] == ["wasm"]
    command(artifact, tmp_path / "other", runtime=runtime, webgpu=True)
    assert "wasm and webgpu" in capsys.readouterr().out
    assert (command.__doc__ or "").strip().splitlines()[-1].strip().startswith("Example: leannet web ")


# What it is made of


@pytest.mark.parametrize(
    ("classes", "task", "title"),
    [
        (("ants", "bees"), "classify", "ants or bees"),
        (("cat", "dog", "owl"), "classify", "cat, dog or owl"),
        (("cat", "dog", "owl"), "detect", "cat, dog and owl"),
        (tuple("abcdefghij"), "classify", "a, b and 8 more"),
        (("one",), "detect", "one"),
    ],
)
def test_the_title_is_the_classes(classes: tuple[str, ...], task: str, title: str) -> None:
    assert title_of(classes, task) == title


def test_a_run_becomes_float32_and_integers_only_where_asked_for(
    artifact: Path, runtime: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = artifact.with_name("net.safetensors")
    site = make_site(run, tmp_path / "site", runtime=runtime)
    assert site.precision == "float32"
    for source, message in ((run, "leannet quantize"), (artifact, "found .*, which is float32")):
        with pytest.raises(LeannetError, match=message):
            make_site(source, tmp_path / "other", runtime=runtime, integers=True)
    opened = open_artifact(artifact)
    shipping = opened.shipping.model_copy(update={"precision": "int8"})
    replace(opened, header=opened.header.model_copy(update={"shipping": shipping})).save(run.with_suffix(".int8.onnx"))
    capsys.readouterr()
    assert make_site(run, tmp_path / "integers", runtime=runtime, integers=True).precision == "int8"
    assert "note:" not in capsys.readouterr().err
    make_site(run.with_suffix(".int8.onnx"), tmp_path / "noted", runtime=runtime)
    assert capsys.readouterr().err.count(f"{INT8_TIME[0]} to {INT8_TIME[1]} times") == 1


def test_the_note_on_integers_is_what_was_measured() -> None:
    networks = json.loads((Path(__file__).parents[2] / "docs" / "benchmarks" / "browser.json").read_text())["networks"]
    for name, digits, stated in (("time_ratio", 1, INT8_TIME), ("size_ratio", 2, INT8_SIZE)):
        ratios = [network[name] for network in networks]
        assert (f"{min(ratios):.{digits}f}", f"{max(ratios):.{digits}f}") == stated
