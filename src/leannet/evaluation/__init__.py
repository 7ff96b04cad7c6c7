"""Scoring and predicting, of checkpoints and artifacts alike. Without torch where an artifact needs none."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Calibration": ".calibration",
        "ClassScore": ".metrics",
        "Evaluation": ".scoring",
        "Prediction": ".answers",
        "Scores": ".metrics",
        "calibrate": ".calibration",
        "choose_exits": ".exits",
        "evaluate": ".evaluating",
        "interval": ".metrics",
        "predict": ".predicting",
        "score": ".metrics",
        "wilson": ".metrics",
    },
)

if TYPE_CHECKING:
    from leannet.evaluation.calibration import Calibration as Calibration
    from leannet.evaluation.calibration import calibrate as calibrate
    from leannet.evaluation.evaluating import evaluate as evaluate
    from leannet.evaluation.exits import choose_exits as choose_exits
    from leannet.evaluation.metrics import ClassScore as ClassScore
    from leannet.evaluation.metrics import Scores as Scores
    from leannet.evaluation.metrics import interval as interval
    from leannet.evaluation.metrics import score as score
    from leannet.evaluation.metrics import wilson as wilson
    from leannet.evaluation.predicted import Prediction as Prediction
    from leannet.evaluation.predicting import predict as predict
    from leannet.evaluation.scoring import Evaluation as Evaluation
