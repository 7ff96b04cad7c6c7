"""`export`: a run or checkpoint as one artifact, checked before it is kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from leannet.artifact.artifact import Artifact
from leannet.artifact.checking import EngineCheck, write_checked
from leannet.artifact.folder_artifact import FORM_OF, FolderArtifact, Format, folder_path
from leannet.artifact.golden import record
from leannet.artifact.onnx_artifact import RUNNERS, OnnxArtifact, artifact_path, with_doc_string
from leannet.artifact.readers import GATHERED, NO_ANTIALIAS, doc_string, wrong_in
from leannet.data.images import covered_size
from leannet.errors import LeannetError
from leannet.header import Header, checkpoint_file
from leannet.rows import Architecture
from leannet.rows.sides import gates
from leannet.runtime import Program, engine, numpy_weights, to_onnx
from leannet.runtime.branching import Branches
from leannet.runtime.tflite_metadata import TfliteMetadata, TfliteOutput, with_metadata
from leannet.sections import FloatInput, Shipping
from leannet.tasks import finds_boxes, task_of

Precision = Literal["float32", "float16", "bfloat16"]
# The most that an engine's outputs may differ from the recorded ones, over the largest of them.
TOLERANCE: dict[str, float] = {"float32": 1e-4, "float16": 5e-3, "bfloat16": 5e-2}
# How far torch's own float32 may be from its float64 before more than that is allowed, in proportion, up to MOST.
GAP, MOST = 2.5e-5, 0.05


@dataclass(frozen=True)
class Exported:
    """An artifact that was written, and what its check found."""

    path: Path
    size_bytes: int
    precision: str
    checks: tuple[EngineCheck, ...]
    format: str = "onnx"
    note: str = ""  # of a network that float32 computes badly

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "path": str(self.path),
            "format": self.format,
            "size_bytes": self.size_bytes,
            "precision": self.precision,
            "checks": [check.to_dict() for check in self.checks],
            "note": self.note,
        }


def export(
    run: str | Path,
    out: str | Path | None = None,
    precision: Precision = "float32",
    input: FloatInput = "float32",
    branches: Branches | None = None,
) -> Exported:
    """Writes a run or checkpoint as an artifact: one ONNX file with weights, header and golden images.

    out: None: `model.onnx` beside the checkpoint. precision: of the weights; bfloat16: also of what OpenVINO computes
    in, on processors that have it. input: float32, normalized (N, C, H, W); uint8, images (N, height, width, C) of any
    size, resized and normalized by the graph, which only ONNX Runtime resizes as Pillow does; or uint8-sized, images of
    the network's size, normalized by the graph. branches: of a network with gates, what an image skips does not run:
    one: the file takes one image at a time; any: any number, of which those that run a block are gathered.
    Raises LeannetError where `onnx` or `onnxruntime` is missing, and where the file does not give what torch gives:
    then nothing is written.
    """
    file = checkpoint_file(run)
    target = artifact_path(out, file.with_suffix(".onnx"))
    artifact = build_artifact(file, precision, input, branches)
    note = conditioning(artifact.header)
    problem = "the export does not give what torch gives"
    if precision != "float32":
        problem = f"{precision} weights change what it answers by too much; --precision float32 does not"
    checks = write_checked(artifact, target, f"{file}: {problem}", note)
    return Exported(target, target.stat().st_size, precision, checks, note=note)


def export_folder(
    run: str | Path,
    format: Format,
    out: str | Path | None = None,
    input: FloatInput = "float32",
    branches: Branches | None = None,
) -> Exported:
    """Writes a run or checkpoint as a folder of another runtime's files, checked before it is kept.

    format: openvino: `model.xml` and `model.bin`; ncnn: `model.param` and `model.bin`; litert: `model.tflite`, for
    phones. The last two are written from the rows. out: None: `model_FORMAT` beside the checkpoint. input, branches: as
    for `export`; for litert also uint8-sized; one image at a time alone; ncnn has no branch: its host chooses, and its
    files are the same.
    Raises LeannetError where the runtime is missing, the folder is not empty, or what is written does not give what
    torch gives: then nothing stays.
    """
    engine(format)
    file = checkpoint_file(run)
    if input == "uint8":
        raise LeannetError(f"--input uint8: {format} {NO_ANTIALIAS}: expected --input uint8-sized, whose images are "
                           "resized before")  # fmt: skip
    if branches == "any":
        raise LeannetError(f"--gather: {format} does not gather the images that run a block: expected --format onnx, "
                           "or --branches, for one image at a time")  # fmt: skip
    target = folder_path(out, file.with_name(f"{file.stem}_{format}"))
    artifact = build_folder(file, format, build_artifact(file, "float32", input, branches), branches)
    note = conditioning(artifact.header)
    checks = write_checked(artifact, target, f"{file}: {format} does not give what torch gives", note)
    size = sum(path.stat().st_size for path in target.iterdir())
    return Exported(target, size, "float32", checks, format, note)


def build_artifact(
    file: Path, precision: Precision, input: FloatInput, branches: Branches | None = None
) -> OnnxArtifact:
    """The artifact of a checkpoint, not written yet."""
    from leannet.checkpoint import load_shipped

    if input not in get_args(FloatInput):
        raise LeannetError(f"input {input!r}: expected one of {', '.join(get_args(FloatInput))}; int8 is what "
                           "quantize makes for litert")  # fmt: skip
    network, header = load_shipped(file)
    if len(header.architecture.output_names) != 1:
        raise LeannetError(f"{file}: expected a network of one output, found {header.architecture.output_names}")
    weights = numpy_weights(network.state_dict())
    images = header.preprocessing if input != "float32" else None
    if branches:
        check_branches(header.architecture)
    if branches == "any" and precision == "bfloat16":
        raise LeannetError("--gather: expected --precision float32 or float16, as bfloat16 is OpenVINO's, which does "
                           "not gather")  # fmt: skip
    model = to_onnx(header.architecture, weights, images, precision, input == "uint8-sized", branches)
    try:
        golden, gap = record(network, task_of(header))
    except LeannetError as error:
        raise LeannetError(f"{file}: {error}") from None
    tolerance = allowance(precision, gap)
    shipping = Shipping(
        precision=precision, input=input, tolerance=tolerance, float32_gap=gap, wrong_in=wrong_in(input),
        branches=branches,
    )  # fmt: skip
    if branches == "any":
        wrong = shipping.wrong_in | {"openvino": GATHERED}
        shipping = shipping.model_copy(update={"engines": ("onnxruntime",), "wrong_in": wrong})
    if precision == "bfloat16":
        engines = ("openvino", *(name for name in RUNNERS if name != "openvino"))
        shipping = shipping.model_copy(update={"compute": precision, "engines": engines})
    graph = with_doc_string(model.SerializeToString(), doc_string(shipping))
    return OnnxArtifact(graph=graph, header=shipped_header(header, shipping), golden=golden)


def check_branches(architecture: Architecture) -> None:
    """Raises LeannetError where there is nothing to branch on."""
    if not gates(architecture):
        raise LeannetError(f"--branches: expected a network with gates that decide, found {architecture.name}, whose "
                           "images all run every row; train --gate gives it some")  # fmt: skip


def allowance(precision: str, gap: float) -> float:
    """What an engine may be away from torch. gap: what torch's own float32 is away from its float64."""
    least = TOLERANCE[precision]
    return max(least, min(least * gap / GAP, MOST))


def conditioning(header: Header) -> str:
    """One line about a network that float32 computes badly; empty for others. header: of an artifact."""
    shipping = header.shipping
    if shipping is None or (gap := shipping.float32_gap or 0.0) <= GAP:
        return ""
    return (
        f"ill-conditioned: torch's own float32 is {gap:.1e} of the largest output away from its float64 on the golden "
        f"images (as a rule 1e-06), so engines may be {shipping.tolerance:.1e} away; "
        "the usual cause is batch norm that was measured on few images"
    )


def build_folder(file: Path, format: str, plain: Artifact, branches: Branches | None = None) -> FolderArtifact:
    """The same as a folder of another runtime's files. plain: the artifact for ONNX, with golden images."""
    from leannet.checkpoint import load_shipped

    network, _ = load_shipped(file)
    weights = numpy_weights(network.state_dict())
    if format == "litert":
        from leannet.runtime.formats.tflite import to_tflite

        images = plain.header.preprocessing if plain.takes_uint8 else None
        made = to_tflite(network.architecture, weights, images, branches)
        files: tuple[bytes, ...] = (described_tflite(made, plain.header),)
    else:
        files = Program(network.architecture, weights, branches=branches).form(FORM_OF[format])
    return FolderArtifact(header=plain.header, golden=plain.golden, format=format, files=files)


TFLITE_LOGITS: tuple[TfliteOutput, ...] = (
    TfliteOutput("logits", "One logit a class; softmax makes probabilities of them."),
)
TFLITE_BOXES = (
    TfliteOutput(
        "boxes", "Left, top, right and bottom of each object, in pixels of the input, measured at their edges."
    ),
    TfliteOutput(
        "scores", "How likely each object is, 0 to 1; the likeliest come first. Nothing has to be suppressed."
    ),
    TfliteOutput("classes", "The number of each object's class."),
)
RESIZE_RULES = {
    "center-crop": "resize it in its proportions until it just covers {width} x {height}, and cut out its middle",
    "crop": "cut out its middle, {ratio:g} of the largest rectangle of the network's proportions, and resize that",
    "squash": "resize it, whatever its proportions",
    "letterbox": "resize it in its proportions, and fill up with grey (128)",
}


def described_tflite(file: bytes, header: Header) -> bytes:
    """A .tflite with the header's classes and preprocessing in its metadata, which other programs read.

    Raises LeannetError for a class name of several lines.
    """
    preprocessing = header.preprocessing
    width, height = covered_size(preprocessing)
    rule = RESIZE_RULES[preprocessing.resize].format(ratio=preprocessing.crop_ratio, width=width, height=height)
    is_raw = header.shipping is not None and header.shipping.input == "uint8-sized"
    normalization = "" if is_raw else ", less the mean, over the standard deviation"
    has_boxes = finds_boxes(header.architecture)
    kind, outputs = ("A detector of objects", TFLITE_BOXES) if has_boxes else ("An image classifier", TFLITE_LOGITS)
    metadata = TfliteMetadata(
        name=header.architecture.name,
        description=f"{kind} of {len(header.classes)} classes, written by leannet.",
        license=header.provenance.license or "",
        classes=header.classes,
        color=preprocessing.color,
        height=preprocessing.height,
        width=preprocessing.width,
        mean=tuple(0.0 if is_raw else mean / preprocessing.scale for mean in preprocessing.mean),
        std=tuple(1.0 if is_raw else std / preprocessing.scale for std in preprocessing.std),
        input_description=(
            f"An image of {preprocessing.width} x {preprocessing.height} pixels, {preprocessing.color}, 0 to 255 "
            f"each{normalization}. Of an image of another size: {rule}, "
            f"{preprocessing.interpolation} with antialiasing, as Pillow does."
        ),
        outputs=outputs,
    )
    return with_metadata(file, metadata)


def shipped_header(header: Header, shipping: Shipping) -> Header:
    """A checkpoint's header for an artifact, which strangers may read.

    The fingerprints and names of the user's images stay at home, and so do folders.
    """
    split = header.split.model_copy(update={"fingerprints": {}, "counts": {}})
    provenance = header.provenance
    private = {"skipped": (), "left_out": (), "remarks": None, "command": None}
    names = {key: Path(value).name for key in ("data", "parent") if (value := getattr(provenance, key))}
    provenance = provenance.model_copy(update=private | names)
    return header.model_copy(update={"shipping": shipping, "split": split, "provenance": provenance})
