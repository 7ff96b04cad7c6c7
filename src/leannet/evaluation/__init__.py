"""Scoring and predicting, from the checkpoint alone. Imported when first used: an artefact predicts without torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Calibration": "calibration",
    "ClassScore": "metrics",
    "Evaluation": "scoring",
    "Prediction": "answers",
    "Scores": "metrics",
    "calibrate": "calibration",
    "evaluate": "scoring",
    "interval": "metrics",
    "predict": "scoring",
    "score": "metrics",
    "wilson": "metrics",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"leannet.evaluation.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'leannet.evaluation' has no attribute '{name}'")


if TYPE_CHECKING:
    from leannet.evaluation.answers import Prediction as Prediction
    from leannet.evaluation.calibration import Calibration as Calibration
    from leannet.evaluation.calibration import calibrate as calibrate
    from leannet.evaluation.metrics import ClassScore as ClassScore
    from leannet.evaluation.metrics import Scores as Scores
    from leannet.evaluation.metrics import interval as interval
    from leannet.evaluation.metrics import score as score
    from leannet.evaluation.metrics import wilson as wilson
    from leannet.evaluation.scoring import Evaluation as Evaluation
    from leannet.evaluation.scoring import evaluate as evaluate
    from leannet.evaluation.scoring import predict as predict
