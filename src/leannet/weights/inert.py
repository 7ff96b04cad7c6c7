"""Objects that training programs pickle beside tensors (arguments, paths, NumPy numbers), read as inert data.

torch's weights-only loader refuses every class that it does not know. The classes named here are plain data, and the
loader creates the stand-ins below in their place: the classes themselves are neither imported nor run.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from torch import optim


class Record:
    """Stands for any object: holds its attributes and does nothing."""

    def __init__(self, *_: Any):
        self.fields: dict[str, Any] = {}

    def __new__(cls, *_: Any) -> "Record":
        record = super().__new__(cls)
        record.fields = {}
        return record

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, Mapping):
            self.fields.update(state)


class Dict:
    """Stands for another kind of dict: the loader can only fill dict, OrderedDict and Counter."""

    def __new__(cls, *_: Any) -> Any:
        return OrderedDict()


class List:
    """Stands for another kind of sequence: the loader can only fill list."""

    def __new__(cls, *_: Any) -> Any:
        return []


_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
_NUMBERS = ("Bool", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float16", "Float32")
_RECORDS = {
    "argparse": ("Namespace",),
    "types": ("SimpleNamespace",),
    "functools": ("partial",),
    "typing": ("Any",),
    "pathlib": _PATHS,
    "pathlib._local": _PATHS,  # Python 3.13
    "datetime": ("datetime", "date", "time", "timedelta", "timezone"),
    "builtins": ("int", "float", "bool", "str", "bytes", "list", "dict", "tuple", "frozenset", "slice", "range"),
    "numpy": ("dtype", "ndarray", "bool", "float16", "float32", "float64", "int32", "int64", "uint8"),
    "numpy.core.multiarray": ("scalar", "_reconstruct"),  # numpy 1
    "numpy._core.multiarray": ("scalar", "_reconstruct"),
    "numpy.dtypes": tuple(f"{name}DType" for name in (*_NUMBERS, "Float64", "Str", "Object")),
    "omegaconf.base": ("ContainerMetadata", "Metadata", "Container"),
    "omegaconf.dictconfig": ("DictConfig",),
    "omegaconf.listconfig": ("ListConfig",),
    "omegaconf.nodes": tuple(f"{n}Node" for n in ("Any", "Boolean", "Float", "Integer", "String", "Path", "Enum")),
    "mmengine.logging.history_buffer": ("HistoryBuffer",),
}
# Methods in its buffers, and in schedulers of old versions of torch, are pickled as calls of getattr. Here a Record
# stands for getattr: it looks nothing up and its result cannot be called.
_RECORDS["builtins"] += ("getattr",)
_DICTS = {
    "collections": ("defaultdict",),
    "easydict": ("EasyDict",),
    "addict.addict": ("Dict",),
    "yacs.config": ("CfgNode",),
    "lightning.fabric.utilities.data": ("AttributeDict",),
    "lightning_fabric.utilities.data": ("AttributeDict",),
    "lightning.pytorch.utilities.parsing": ("AttributeDict",),
    "pytorch_lightning.utilities.parsing": ("AttributeDict",),
}
_LISTS = {"collections": ("deque",)}


def _optimizers() -> Iterator[str]:
    """The classes of torch.optim, which saved settings refer to."""
    for module in (optim, optim.lr_scheduler):
        for kind in vars(module).values():
            if isinstance(kind, type) and kind.__module__.startswith("torch.optim."):
                yield f"{kind.__module__}.{kind.__qualname__}"


def stand_ins() -> list[Any]:
    """For torch.serialization.safe_globals: each stand-in with the name that it stands for."""
    stand_ins_by_module = ((Record, _RECORDS), (Dict, _DICTS), (List, _LISTS))
    pairs = [
        (kind, f"{module}.{name}")
        for kind, modules in stand_ins_by_module
        for module, names in modules.items()
        for name in names
    ]
    return pairs + [(Record, name) for name in _optimizers()]
