"""What training programs pickle beside their tensors: arguments, paths, numbers of numpy. Read as inert data.

torch's weights-only loader refuses every class that it was not told of. Those named here stand for nothing but data,
and what the loader makes in their place are the stand-ins below: the classes themselves are neither imported nor run.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from torch import optim


class Record:
    """Stands for any object: keeps its attributes, does nothing."""

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
    """Stands for a dict of another type: the loader fills none but dict, OrderedDict and Counter."""

    def __new__(cls, *_: Any) -> Any:
        return OrderedDict()


class List:
    """Stands for a sequence of another type: the loader fills none but list."""

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
# Methods in its buffers, and in schedules of old versions of torch, are pickled as calls of getattr. What answers here
# is a Record, which gets nothing and cannot be called.
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
    """Classes of torch.optim: settings name them."""
    for module in (optim, optim.lr_scheduler):
        for each in vars(module).values():
            if isinstance(each, type) and each.__module__.startswith("torch.optim."):
                yield f"{each.__module__}.{each.__qualname__}"


def stand_ins() -> list[Any]:
    """For torch.serialization.safe_globals: each stand-in, and the name that it stands for."""
    named = ((Record, _RECORDS), (Dict, _DICTS), (List, _LISTS))
    pairs = [
        (kind, f"{module}.{name}") for kind, modules in named for module, names in modules.items() for name in names
    ]
    return pairs + [(Record, name) for name in _optimizers()]
