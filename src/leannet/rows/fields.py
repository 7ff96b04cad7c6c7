"""The types that the fields of rows are made of, and the arithmetic of a sliding window."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from leannet.errors import LeannetError
from leannet.rows.description import described


class Frozen(BaseModel):
    """Immutable, and every unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Documented(Frozen):
    """Frozen, and the text under each field is its description: of `description.described`, and of its JSON schema."""

    model_config = ConfigDict(defer_build=True)  # until it is needed, which most kinds of rows never are

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        properties, fields = handler.resolve_ref_schema(schema).get("properties", {}), described(cls)
        for name, field in fields.items():
            if name in properties and field.description is not None:
                properties[name].setdefault("description", field.description)
        return schema


Width = Annotated[int, Field(strict=True, ge=1)]
Size = Annotated[int, Field(strict=True, ge=1)]
Flag = Annotated[bool, Field(strict=True)]
Rate = Annotated[float, Field(ge=0, lt=1)]
# No dots: a dot separates a row from the rows that it stands for. "input" is what an architecture reads.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]

Activation = Literal["linear", "relu", "relu6", "swish", "h_swish", "sigmoid", "h_sigmoid", "tanh", "gelu"]
# symmetric: (k-1)/2 on both sides, as in torch code. same: TensorFlow's, which at stride 2 pads more after than before.
Padding = Literal["symmetric", "same", "valid"] | Annotated[int, Field(strict=True, ge=0)]

INPUT = "input"


class Norm(Documented):
    """Normalization after a convolution. The sources differ in epsilon: 1e-5 in torch code, 1e-3 in TensorFlow's."""

    kind: Literal["batch"] = "batch"
    """Batch normalization, the only kind: one mean and one variance a channel."""
    eps: Annotated[float, Field(gt=0)] = 1e-5
    """Added to the variance before its root is taken."""
    momentum: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Weight of the newest batch in the running mean and variance, as torch counts it (TensorFlow: 1 - momentum)."""


class Shape(NamedTuple):
    """The shape of one feature map, without the batch: (C, H, W)."""

    channels: int
    height: int
    width: int

    @property
    def elements(self) -> int:
        return self.channels * self.height * self.width

    def __str__(self) -> str:
        return f"{self.height} x {self.width} x {self.channels}"


class RowError(LeannetError):
    """A row that is impossible: which field, and why. Shape inference adds which row."""

    def __init__(self, field: str, message: str):
        super().__init__(message)
        self.field = field


def pad_before_after(size: int, kernel: int, stride: int, padding: Padding) -> tuple[int, int]:
    """How many zeros stand before and after one axis of `size` pixels."""
    if padding == "same":
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2
    side = {"symmetric": (kernel - 1) // 2, "valid": 0}[padding] if isinstance(padding, str) else padding
    return side, side


def window(shape: Shape, sides: tuple[int, int], stride: int, padding: Padding, ceil: bool = False) -> tuple[int, int]:
    """Height and width after a window of `sides` pixels, high and wide, has moved over `shape` in steps of `stride`.

    `ceil` allows a last window that starts inside the feature map and ends beyond it, as Caffe's pooling does.
    Raises RowError where no window fits, or where the stride is longer than the feature map.
    """
    sizes = []
    for size, kernel in zip(shape[1:], sides, strict=True):
        if stride > size:
            raise RowError("stride", f"stride {stride} needs at least {stride} pixels, the feature map here is {shape}")
        before, after = pad_before_after(size, kernel, stride, padding)
        span = size + before + after - kernel
        if span < 0:
            raise RowError("kernel", f"a {sides[0]} x {sides[1]} window does not fit, the feature map here is {shape}")
        out = span // stride + 1
        if ceil and span % stride and out * stride < size + before:
            out += 1
        sizes.append(out)
    return sizes[0], sizes[1]
