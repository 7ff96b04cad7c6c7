"""Scoring and predicting, of checkpoints and artifacts alike. Without torch where an artifact needs none."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Calibration": ".calibration",
        "ClassScore": "..tasks.metrics",
        "Evaluation": ".scoring",
        "Prediction": "..tasks.classification",
        "Scores": "..tasks.metrics",
        "calibrate": ".calibration",
        "choose_exits": ".exits",
        "evaluate": ".evaluating",
        "interval": "..tasks.metrics",
        "predict": ".predicting",
        "score": "..tasks.metrics",
        "wilson": "..tasks.metrics",
    },
)

if TYPE_CHECKING:
    from leannet.evaluation.calibration import Calibration as Calibration
    from leannet.evaluation.calibration import calibrate as calibrate
    from leannet.evaluation.evaluating import evaluate as evaluate
    from leannet.evaluation.exits import choose_exits as choose_exits
    from leannet.evaluation.predicting import predict as predict
    from leannet.evaluation.scoring import Evaluation as Evaluation
    from leannet.tasks.metrics import ClassScore as ClassScore
    from leannet.tasks.metrics import Scores as Scores
    from leannet.tasks.metrics import interval as interval
    from leannet.tasks.metrics import score as score
    from leannet.tasks.metrics import wilson as wilson
