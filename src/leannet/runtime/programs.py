"""Programs: networks in the forms that engines read, in float or quantized."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from leannet.errors import LeannetError
from leannet.rows import Architecture
from leannet.runtime.branching import Branches, branching
from leannet.runtime.folding import Array, Weights
from leannet.runtime.formats.onnx import spell_onnx, to_onnx
from leannet.runtime.fresh import fresh_weights
from leannet.runtime.integers import Ranges
from leannet.runtime.lowering import lower
from leannet.runtime.quantize_kernels import quantize_kernels
from leannet.runtime.quantize_pairs import Style, quantize_pairs

STYLES: dict[str, Style] = {"onnxruntime": "lut", "openvino": "fused"}  # the form that each engine runs fastest
INTEGER_ENGINES = (*STYLES, "litert")  # those that integers are written for
# Forms, and the files that each is.
FORMS = {
    "onnx": ("model.onnx",),
    "ir": ("model.xml", "model.bin"),  # OpenVINO's own
    "ncnn": ("model.param", "model.bin"),
    "tflite": ("model.tflite",),
}
ONE_BY_ONE = {"ncnn": "ncnn", "tflite": "LiteRT"}  # forms whose branches decide for one image at a time


class Program:
    """A network in evaluation, in the forms that engines read; each is made when it is first asked for.

    Files alone are a program too (`of_file`, `of_forms`), for the engines that read them.
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: Weights | None = None,
        compute: str = "float32",
        branches: Branches | None = None,
    ):
        """weights: numpy arrays by name; None: fresh ones, where only time matters. compute: the type of what is
        computed in float; bfloat16 only in an engine that has it, the others take float32. branches: choices are
        branches where a form has them, for any number of images where it can gather them; None: all rows run."""
        self.architecture, self.compute, self.branches = architecture, compute, branches
        self._weights = weights
        self._forms: dict[str, tuple[bytes, ...]] = {}
        self._from_files = False

    @classmethod
    def of_file(
        cls, architecture: Architecture, onnx: bytes, compute: str = "float32", branches: Branches | None = None
    ) -> "Program":
        """A program from an ONNX file. branches: what its choices are in it."""
        return cls.of_forms(architecture, {"onnx": (onnx,)}, compute, branches)

    @classmethod
    def of_forms(
        cls,
        architecture: Architecture,
        forms: Mapping[str, tuple[bytes, ...]],
        compute: str = "float32",
        branches: Branches | None = None,
    ) -> "Program":
        """A program from the files of one form or several. forms: name in FORMS -> their contents."""
        program = cls(architecture, compute=compute, branches=branches)
        program._forms.update(forms)
        program._from_files = True
        return program

    @classmethod
    def of_folder(
        cls, architecture: Architecture, form: str, folder: Path, compute: str = "float32",
        branches: Branches | None = None,
    ) -> "Program":  # fmt: skip
        """A program from the files of a form in a folder."""
        files = tuple((folder / name).read_bytes() for name in FORMS[form])
        return cls.of_forms(architecture, {form: files}, compute, branches)

    def write(self, form: str, folder: Path) -> None:
        """Writes the files of a form into a folder."""
        for name, data in zip(FORMS[form], self.form(form), strict=True):
            (folder / name).write_bytes(data)

    def has(self, form: str) -> bool:
        """Whether a form is there without making it."""
        return form in self._forms

    def form(self, name: str) -> tuple[bytes, ...]:
        """The files of a form, made where they are not there. Raises LeannetError for files alone of another form."""
        if name not in self._forms:
            if self._from_files:
                raise LeannetError(
                    f"expected {' and '.join(FORMS[name])}, found {self._file_names()} alone, which this engine does "
                    "not read: leannet export RUN --format makes the files of other engines"
                )
            self._forms[name] = self._make(name)
        return self._forms[name]

    def _file_names(self) -> str:
        return " and ".join(file for form in self._forms for file in FORMS[form])

    def _make(self, form: str) -> tuple[bytes, ...]:
        if self.branches == "any" and form in ONE_BY_ONE:
            raise LeannetError(f"{ONE_BY_ONE[form]}: its branches are for one image at a time: expected 'one', not "
                               "'any', whose images of a side are gathered")  # fmt: skip
        match form:
            case "onnx":
                model = to_onnx(self.architecture, self.weights, stored_as=self.compute, branches=self.branches)
                return (bytes(model.SerializeToString()),)
            case "ncnn":
                from leannet.runtime.formats.ncnn import to_ncnn

                lines, data = to_ncnn(self.architecture, self.weights)
                return lines.encode(), data
            case "tflite":
                from leannet.runtime.formats.tflite import to_tflite

                return (to_tflite(self.architecture, self.weights, branches=self.branches),)
            case "ir":
                from leannet.runtime.openvino_form import to_openvino

                return to_openvino(self.onnx)
        raise AssertionError(form)

    @cached_property
    def weights(self) -> Weights:
        """Of the network; fresh ones where none were given."""
        return fresh_weights(self.architecture) if self._weights is None else self._weights

    @cached_property
    def network(self) -> Any:
        """As a torch module. Raises LeannetError where there are files only."""
        import torch

        from leannet.network import build

        if self._from_files:
            raise LeannetError(
                f"torch does not read {self._file_names()}: name the run or the checkpoint that it was made of"
            )
        network = build(self.architecture).eval()
        network.load_state_dict({name: torch.from_numpy(np.asarray(v)) for name, v in self.weights.items()})
        return network

    @property
    def onnx(self) -> bytes:
        """As an ONNX file."""
        return self.form("onnx")[0]


def quantized_program(
    architecture: Architecture,
    weights: Weights,
    ranges: Ranges,
    engine: str,
    float_layers: frozenset[str] = frozenset(),
    bits: int = 8,
    bias_corrections: Mapping[str, Array] | None = None,
    images: Any = None,
    compute: str = "float32",
    sized: bool = False,
    outside: bool = False,
    branches: Branches | None = None,
) -> Program:
    """A network of 8-bit integers in the form that an engine runs fastest.

    ranges, float_layers, bits, bias_corrections: as for `quantize_pairs`; images, sized: as for `lower`; compute: of
    what stays in float, as for `Program`. outside: input and outputs are integers too, and memory counts more than
    time, as on microcontrollers; for LiteRT alone. branches: as for `Program`; integers cross their borders.
    """
    operations = lower(architecture, weights, images, sized)
    if engine == "litert":
        from leannet.runtime.formats.tflite import spell_tflite

        operations = quantize_kernels(operations, ranges, float_layers, bits, bias_corrections, outside)
        operations = branching(operations) if branches else operations
        files = (spell_tflite(operations, spare_memory=outside),)
        return Program.of_forms(architecture, {"tflite": files}, branches=branches)
    assert not outside, "other engines take floats"
    operations = quantize_pairs(operations, ranges, STYLES[engine], float_layers, bits, bias_corrections)
    operations = branching(operations) if branches else operations
    model = spell_onnx(operations, gathers=branches == "any")
    return Program.of_file(architecture, bytes(model.SerializeToString()), compute, branches)
