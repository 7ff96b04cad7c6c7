"""Artifacts: what the checkpoint says, in one file, without torch; and one line for whatever is none."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

import leannet
from leannet.artifact import check, export, open_artifact
from leannet.artifact.artifact import normalized
from leannet.artifact.onnx_artifact import DIGEST, GOLDEN
from leannet.checkpoint import save
from leannet.data.images import prepare
from leannet.data.loader import normalize
from leannet.errors import LeannetError
from leannet.header import KEY, Header, read_header
from leannet.onnx_file import split_metadata, with_metadata
from leannet.preprocessing import Preprocessing
from leannet.runtime import ENGINES
from leannet.sections import FloatInput, Provenance, Shipping, SplitRecord
from leannet.tasks.classification import softmax
from leannet.zoo import FAMILIES
from tests.conftest import draw, draw_folder, lively


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A network that was never trained, but whose weights all do something."""
    network = lively(leannet.create("mobilenet_v3_debug", classes=3))
    header = Header(
        architecture=network.architecture,
        classes=("ape", "bee", "çat"),
        preprocessing=Preprocessing(height=32, width=32, mean=(0.1, 0.2, 1 / 3), resize="squash"),
        split=SplitRecord(seed=3, fingerprints={"train": "AAAAAA=="}),
        provenance=Provenance(
            data="/home/me/secret/photos", command="leannet train /home/me", skipped=({"path": "x"},)
        ),
    )
    save(tmp_path / "net.safetensors", network, header)
    return tmp_path / "net.safetensors"


@pytest.fixture
def artifact(checkpoint: Path) -> Path:
    return export(checkpoint).path


def predicted_without_torch(artifact: Path, image: Path) -> subprocess.CompletedProcess[str]:
    """A process of its own that says as JSON what an artifact makes of an image."""
    lines = (
        "import sys, json",
        "sys.modules['torch'] = None",
        "import leannet",
        f"found, _ = leannet.predict({str(artifact)!r}, [{str(image)!r}])",
        "print(json.dumps(found[0].to_dict()))",
    )
    return subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)


def test_the_file_alone_predicts_where_there_is_no_torch(checkpoint: Path, artifact: Path, tmp_path: Path) -> None:
    draw("disc", 5, 70).save(tmp_path / "image.png")
    checkpoint_says = leannet.predict(checkpoint, [tmp_path / "image.png"])[0][0]
    done = predicted_without_torch(artifact, tmp_path / "image.png")
    answer = json.loads(done.stdout)
    assert answer["prediction"] == checkpoint_says.classes[0]
    assert [each["class"] for each in answer["top"]] == list(checkpoint_says.classes)
    assert answer["probability"] == pytest.approx(checkpoint_says.probabilities[0], abs=1e-5)


def test_every_family_is_exported_checked_and_predicts_without_torch(tmp_path: Path) -> None:
    """In both engines at batch 1 and 7 to 1e-4; and one process without torch answers as torch does, with labels."""
    draw("ring", 5, 70).save(tmp_path / "image.png")
    torch_says = {}
    for name in sorted(name for name in FAMILIES if name.endswith("_debug")):
        network = lively(leannet.create(name, classes=3))
        shape = network.architecture.input
        header = Header(
            architecture=network.architecture,
            classes=("ape", "bee", "çat"),
            preprocessing=Preprocessing(height=shape.height, width=shape.width),
        )
        if len(network.architecture.output_names) > 1 or shape.channels != 3:
            continue
        save(tmp_path / f"{name}.safetensors", network, header)
        exported = export(tmp_path / f"{name}.safetensors")
        assert {(each.name, each.batch) for each in exported.checks} == set(
            product(("onnxruntime", "openvino"), (1, 7))
        )
        assert all(each.passed and each.tolerance == 1e-4 for each in exported.checks), name
        torch_says[name] = leannet.predict(tmp_path / f"{name}.safetensors", [tmp_path / "image.png"])[0][0]
    assert len(torch_says) > 10
    lines = (
        "import sys, json",
        "sys.modules['torch'] = None",
        "import leannet",
        "image, *files = sys.argv[1:]",
        "print(json.dumps([leannet.predict(file, [image])[0][0].to_dict() for file in files]))",
    )
    words = [str(tmp_path / "image.png"), *(str(tmp_path / f"{name}.onnx") for name in torch_says)]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines), *words], capture_output=True, text=True, check=True)
    for (name, answer_of_torch), answer in zip(torch_says.items(), json.loads(done.stdout), strict=True):
        assert [each["class"] for each in answer["top"]] == list(answer_of_torch.classes), name
        assert answer["probability"] == pytest.approx(answer_of_torch.probabilities[0], abs=1e-4), name


def test_nothing_is_written_or_counted_anywhere(artifact: Path, tmp_path: Path) -> None:
    """Engines would leave a device number in the home folder, were they not told not to."""
    draw("disc", 5, 70).save(tmp_path / "image.png")
    places = {name: str(tmp_path / name) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    for place in places.values():
        Path(place).mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"} | places
    for words in (["predict", str(artifact), str(tmp_path / "image.png")], ["check", str(artifact)]):
        subprocess.run([sys.executable, "-m", "leannet", *words], env=environment, capture_output=True, check=True)
    assert [file for place in places.values() for file in Path(place).rglob("*")] == []


@pytest.mark.parametrize(
    ("precision", "kind"),
    [(precision, kind) for precision in ("float32", "float16", "bfloat16") for kind in get_args(FloatInput)],
)
def test_every_form_passes_its_own_check(checkpoint: Path, tmp_path: Path, precision: str, kind: str) -> None:
    exported = export(checkpoint, tmp_path / "x.onnx", precision, kind)  # type: ignore[arg-type]
    assert {(each.name, each.batch) for each in exported.checks} == {
        (name, batch) for name in ("onnxruntime", "openvino") for batch in (1, 7)
    }
    failed = [each for each in check(exported.path) if not each.passed]
    if kind == "uint8":
        (failure,) = failed
        assert (failure.name, failure.resized, failure.known) == ("openvino", True, "resizes without antialiasing")
    else:
        assert not failed
    tensors = onnx.load(exported.path).graph.initializer
    large = {t.data_type for t in tensors if len(t.dims) == 4}  # what filters are kept as
    kinds = {
        "float32": onnx.TensorProto.FLOAT,
        "float16": onnx.TensorProto.FLOAT16,
        "bfloat16": onnx.TensorProto.BFLOAT16,
    }
    assert large == {kinds[precision]}


def test_the_graph_resizes_as_training_does(checkpoint: Path, tmp_path: Path) -> None:
    """Raw images of any size, resized in the graph, against Pillow; to one level of 256."""
    artifact = open_artifact(export(checkpoint, tmp_path / "x.onnx", input="uint8").path)
    model = onnx.load_from_string(artifact.graph)
    (resized,) = (node for node in model.graph.node if node.op_type == "Resize")
    model.graph.output.append(onnx.helper.make_tensor_value_info(resized.output[0], onnx.TensorProto.UINT8, None))
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    for size in ((57, 44), (20, 90), (32, 32), (200, 31)):
        image = draw("square", 3, 120).resize(size)
        _, resized_images = session.run(None, {"images": np.asarray(image)[None]})
        resized_by_pillow = prepare(image, artifact.header.preprocessing).transpose(2, 0, 1)
        away = np.abs(resized_images[0].astype(int) - resized_by_pillow)
        assert away.max() <= 1
        assert away.mean() < 0.25


def test_images_become_floats_as_in_training(checkpoint: Path) -> None:
    preprocessing = read_header(checkpoint).preprocessing
    image = prepare(draw("disc", 1), preprocessing)
    ours = normalized(image[None], preprocessing)
    theirs = normalize(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], preprocessing).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_it_knows_what_the_checkpoint_knows_but_not_which_images(checkpoint: Path, artifact: Path) -> None:
    before, after = read_header(checkpoint), open_artifact(artifact).header
    assert after == read_header(artifact)
    assert after.architecture == before.architecture
    assert after.classes == before.classes
    assert after.preprocessing == before.preprocessing
    assert after.split == SplitRecord(seed=3)
    assert "/home" not in str(after.to_dict())
    assert after.provenance.data == "photos"


def test_an_artifact_is_scored_as_the_checkpoint_is(checkpoint: Path, tmp_path: Path) -> None:
    draw_folder(tmp_path / "images", each=6, kinds=("ape", "bee"))
    scores = leannet.evaluate(checkpoint, str(tmp_path / "images"), quiet=True).scores
    for kind in get_args(FloatInput):
        exported = export(checkpoint, tmp_path / f"{kind}.onnx", input=kind)
        scores_exported = leannet.evaluate(exported.path, str(tmp_path / "images"), quiet=True).scores
        assert scores_exported.confusion == scores.confusion
        assert scores_exported.loss == pytest.approx(scores.loss, abs=1e-4)
    with pytest.raises(LeannetError, match="name some to score"):
        leannet.evaluate(exported.path)


def _edited(change: Callable[[dict[str, str]], object]) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        graph, pairs = split_metadata(data, "x")
        change(pairs)
        return with_metadata(graph, pairs)

    return edit


def _header(**changes: object) -> Callable[[bytes], bytes]:
    return _edited(lambda pairs: pairs.update({KEY: json.dumps(json.loads(pairs[KEY]) | changes)}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[: len(data) // 2], "only a part"),
        (lambda data: b"", "no graph"),
        (lambda data: b"\x89PNG\r\n" + data, "expected an ONNX file"),
        (lambda data: data.replace(b"block", b"blick", 1), "digest"),
        (_header(classes=["a", "b", "c"]), "digest"),
        (_header(format_version=4), "newer"),
        (_edited(lambda pairs: pairs.update({KEY: "[]"})), "no JSON object"),
        (_edited(lambda pairs: pairs.pop(KEY)), "leannet export"),
        (_edited(lambda pairs: pairs.pop(DIGEST)), "digest"),
        (_edited(lambda pairs: pairs.update({GOLDEN: "[]"})), "digest"),
    ],
)
def test_what_is_refused(artifact: Path, change: Callable[[bytes], bytes], message: str) -> None:
    artifact.write_bytes(change(artifact.read_bytes()))
    with pytest.raises(LeannetError, match=message) as caught:
        open_artifact(artifact)
    assert "\n" not in str(caught.value)


def test_golden_images_tell_when_something_is_done_another_way(artifact: Path) -> None:
    """Another resize, order of colors or scale is found."""
    onnx_artifact = open_artifact(artifact)
    assert all(each.passed for each in check(artifact))
    for change in ({"interpolation": "bicubic"}, {"scale": 1 / 256}, {"resize": "crop"}, {"std": (0.2, 0.2, 0.2)}):
        other = onnx_artifact.header.preprocessing.model_copy(update=change)
        replace(onnx_artifact, header=onnx_artifact.header.model_copy(update={"preprocessing": other})).save(artifact)
        assert not any(each.passed for each in check(artifact)), change


def test_nothing_is_written_where_the_export_is_wrong(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leannet.artifact.exporting.TOLERANCE", {"float32": 0.0})
    with pytest.raises(LeannetError, match="nothing was written"):
        export(checkpoint)
    assert not checkpoint.with_suffix(".onnx").exists()


def test_the_envelope_is_that_of_the_package_onnx(artifact: Path) -> None:
    """onnx reads what is written here, and this reads what onnx writes."""
    graph, pairs = split_metadata(artifact.read_bytes(), artifact)
    model = onnx.load(artifact)
    assert {entry.key: entry.value for entry in model.metadata_props} == pairs
    onnx.checker.check_model(model, full_check=True)
    again, same = split_metadata(model.SerializeToString(), "x")
    assert same == pairs
    assert again == graph


def test_other_engines_and_files(artifact: Path, tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match="expected one of onnxruntime, openvino"):
        check(artifact, ["torch"])
    with pytest.raises(LeannetError, match="no such artifact"):
        check(tmp_path / "none.onnx")
    with pytest.raises(LeannetError, match="found a checkpoint: leannet export"):
        check(artifact.with_name("net.safetensors"))
    with pytest.raises(LeannetError, match=r"torch does not read model\.onnx"):
        open_artifact(artifact).run("torch")
    with pytest.raises(LeannetError, match="in a folder that exists"):
        export(artifact.with_name("net.safetensors"), tmp_path / "none" / "x.onnx")
    with pytest.raises(LeannetError, match="ends in"):
        export(artifact.with_name("net.safetensors"), tmp_path / "x.pt")
    Image.new("RGB", (9, 9)).save(tmp_path / "x.onnx", "PNG")
    with pytest.raises(LeannetError, match="expected an ONNX file"):
        leannet.predict(tmp_path / "x.onnx", [])


def test_integers_that_overflow_here_are_refused(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made where sums of products of 8 bits have 32, run where they have 16."""
    onnx_artifact = open_artifact(artifact)
    header = onnx_artifact.header.model_copy(update={"shipping": Shipping(weight_bits=8)})
    there, here = replace(onnx_artifact, header=header), replace(onnx_artifact, header=header)
    monkeypatch.setattr("leannet.artifact.artifact.weight_bits", lambda: 8)
    there.run()
    monkeypatch.setattr("leannet.artifact.artifact.weight_bits", lambda: 7)
    with pytest.raises(LeannetError, match="8 bits overflow on this processor"):
        here.run()
    onnx_artifact.run()


def test_what_is_made_for_several_engines_runs_in_one_that_is_there(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bfloat16 is for OpenVINO first; without it the same file runs in ONNX Runtime."""
    artifact = open_artifact(export(checkpoint, tmp_path / "x.onnx", "bfloat16").path)
    assert artifact.engines == ("openvino", "onnxruntime")
    outputs = artifact.outputs([draw("disc", 5)], "onnxruntime")
    monkeypatch.setattr("leannet.artifact.artifact.is_installed", "openvino".__ne__)
    monkeypatch.setitem(vars(ENGINES["openvino"]), "prepare", None)  # it would fail
    np.testing.assert_array_equal(open_artifact(artifact.path).outputs([draw("disc", 5)]), outputs)


def test_beside_others_no_thread_waits_awake(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are decoded while the network runs: threads that wait awake take the cores from that."""
    started: list[str] = []

    def listen(program: object, options: Any, **words: Any) -> Any:
        started.append(options.get_session_config_entry("session.intra_op.allow_spinning"))
        return whole(program, options, **words)

    whole = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", listen)
    onnx_artifact, images = open_artifact(artifact), np.full((1, 32, 32, 3), 90, np.uint8)
    probabilities = onnx_artifact.answers(images)
    by_hand = softmax(onnx_artifact.run()(onnx_artifact.as_input(images))[0])
    np.testing.assert_array_equal(probabilities, by_hand)
    assert started == ["0", "1"]
