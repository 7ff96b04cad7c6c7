"""leannet: lightweight convolutional networks as tables of rows.

import leannet

net = leannet.create("mobilenet_v2", width=0.75, classes=10)   # a torch module that carries its rows
rows = leannet.architecture("mobilenet_v3_small")              # the rows alone, no torch
cost = leannet.count(rows)                                     # parameters and mult-adds, by row
run = leannet.train("photos/", model="mobilenet_v3_small")     # a folder of pictures in, a trained network out
leannet.predict("runs/photos", ["cat.jpg"])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> where it lives. Imported when first used, so that counting never waits for torch.
_PUBLIC = {
    "Architecture": "leannet.rows",
    "LeannetError": "leannet.errors",
    "activations": "leannet.looks",
    "advise": "leannet.deploy",
    "architecture": "leannet.zoo",
    "attention": "leannet.looks",
    "bench": "leannet.deploy",
    "build": "leannet.network",
    "check": "leannet.deploy",
    "compare": "leannet.reports",
    "count": "leannet.cost",
    "create": "leannet.factory",
    "cross_validate": "leannet.training",
    "draw": "leannet.drawings",
    "embed": "leannet.looks",
    "evaluate": "leannet.deploy",
    "export": "leannet.deploy",
    "filters": "leannet.looks",
    "guidelines": "leannet.studies",
    "load": "leannet.checkpoint",
    "models": "leannet.zoo",
    "predict": "leannet.deploy",
    "quantize": "leannet.deploy",
    "report": "leannet.reports",
    "serve": "leannet.deploy",
    "suspects": "leannet.looks",
    "train": "leannet.training",
}

_PACKAGES = {"deploy", "drawings", "looks"}  # that the docs name, with more in them

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    if name in _PACKAGES:
        return import_module(f"leannet.{name}")
    raise AttributeError(f"module 'leannet' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from leannet.checkpoint import load as load
    from leannet.cost import count as count
    from leannet.deploy import advise as advise
    from leannet.deploy import bench as bench
    from leannet.deploy import check as check
    from leannet.deploy import evaluate as evaluate
    from leannet.deploy import export as export
    from leannet.deploy import predict as predict
    from leannet.deploy import quantize as quantize
    from leannet.deploy import serve as serve
    from leannet.drawings import draw as draw
    from leannet.errors import LeannetError as LeannetError
    from leannet.factory import create as create
    from leannet.looks import activations as activations
    from leannet.looks import attention as attention
    from leannet.looks import embed as embed
    from leannet.looks import filters as filters
    from leannet.looks import suspects as suspects
    from leannet.network import build as build
    from leannet.reports import compare as compare
    from leannet.reports import report as report
    from leannet.rows import Architecture as Architecture
    from leannet.studies import guidelines as guidelines
    from leannet.training import cross_validate as cross_validate
    from leannet.training import train as train
    from leannet.zoo import architecture as architecture
    from leannet.zoo import models as models
