"""Shipping: one file with the network and all that using it needs, made, checked, measured and run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Artefact": "artefact",
    "advise": "advising",
    "bench": "benchmarking",
    "check": "checking",
    "evaluate": "evaluating",
    "export": "exporting",
    "export_fastest": "fastest",
    "predict": "predicting",
    "make_site": "site",
    "open_artefact": "opening",
    "quantize": "integers.quantizing",
    "serve": "serving",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"leannet.deploy.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'leannet.deploy' has no attribute '{name}'")


if TYPE_CHECKING:
    from leannet.deploy.advising import advise as advise
    from leannet.deploy.artefact import Artefact as Artefact
    from leannet.deploy.benchmarking import bench as bench
    from leannet.deploy.checking import check as check
    from leannet.deploy.evaluating import evaluate as evaluate
    from leannet.deploy.exporting import export as export
    from leannet.deploy.fastest import export_fastest as export_fastest
    from leannet.deploy.integers.quantizing import quantize as quantize
    from leannet.deploy.opening import open_artefact as open_artefact
    from leannet.deploy.predicting import predict as predict
    from leannet.deploy.serving import serve as serve
    from leannet.deploy.site import make_site as make_site
