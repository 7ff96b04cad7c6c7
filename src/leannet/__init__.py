"""leannet: lightweight convolutional networks as tables of rows.

import leannet

net = leannet.create("mobilenet_v2", width=0.75, classes=10)   # a torch module that carries its architecture
architecture = leannet.architecture("mobilenet_v3_small")      # the rows alone, no torch
cost = leannet.count(architecture)                             # parameters and mult-adds, by row
run = leannet.train("photos/", model="mobilenet_v3_small")     # a folder of images in, a trained network out
leannet.predict("runs/photos", ["cat.jpg"])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from leannet.lazy import attach

__version__ = "0.1.0"

_public, __dir__, _names = attach(
    __name__,
    {
        "Architecture": ".rows",
        "LeannetError": ".errors",
        "activations": ".looks",
        "adapt": ".nas",
        "advise": ".advice",
        "architecture": ".zoo",
        "attention": ".looks",
        "bench": ".benchmark",
        "build": ".network",
        "check": ".artifact",
        "choose_exits": ".evaluation",
        "compare": ".reports",
        "count": ".cost",
        "create": ".factory",
        "cross_validate": ".training",
        "distill": ".shrink",
        "draw": ".diagrams",
        "embed": ".looks",
        "evaluate": ".evaluation",
        "experiment": ".experiments",
        "export": ".artifact",
        "filters": ".looks",
        "find_lr": ".training",
        "guidelines": ".studies",
        "latency_table": ".nas",
        "load": ".checkpoint",
        "models": ".zoo",
        "predict": ".evaluation",
        "prune": ".shrink",
        "quantize": ".quantization",
        "report": ".reports",
        "reparameterize": ".shrink",
        "rewrite": ".shrink",
        "search": ".nas",
        "sensitivity": ".shrink",
        "serve": ".serving",
        "sparsify": ".shrink",
        "suspects": ".looks",
        "train": ".training",
    },
)
__all__ = ["__version__", *_names]
_PACKAGES = {
    "artifact",
    "diagrams",
    "experiments",
    "looks",
    "nas",
    "quantization",
    "rows",
    "shrink",
    "web",
}  # that the docs name, with more in them


def __getattr__(name: str) -> Any:
    return import_module(f"leannet.{name}") if name in _PACKAGES else _public(name)


if TYPE_CHECKING:
    from leannet.advice import advise as advise
    from leannet.artifact import check as check
    from leannet.artifact import export as export
    from leannet.benchmark import bench as bench
    from leannet.checkpoint import load as load
    from leannet.cost import count as count
    from leannet.diagrams import draw as draw
    from leannet.errors import LeannetError as LeannetError
    from leannet.evaluation import choose_exits as choose_exits
    from leannet.evaluation import evaluate as evaluate
    from leannet.evaluation import predict as predict
    from leannet.experiments import experiment as experiment
    from leannet.factory import create as create
    from leannet.looks import activations as activations
    from leannet.looks import attention as attention
    from leannet.looks import embed as embed
    from leannet.looks import filters as filters
    from leannet.looks import suspects as suspects
    from leannet.nas import adapt as adapt
    from leannet.nas import latency_table as latency_table
    from leannet.nas import search as search
    from leannet.network import build as build
    from leannet.quantization import quantize as quantize
    from leannet.reports import compare as compare
    from leannet.reports import report as report
    from leannet.rows import Architecture as Architecture
    from leannet.serving import serve as serve
    from leannet.shrink import distill as distill
    from leannet.shrink import prune as prune
    from leannet.shrink import reparameterize as reparameterize
    from leannet.shrink import rewrite as rewrite
    from leannet.shrink import sensitivity as sensitivity
    from leannet.shrink import sparsify as sparsify
    from leannet.studies import guidelines as guidelines
    from leannet.training import cross_validate as cross_validate
    from leannet.training import find_lr as find_lr
    from leannet.training import train as train
    from leannet.zoo import architecture as architecture
    from leannet.zoo import models as models
