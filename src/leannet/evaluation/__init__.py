"""Scoring and predicting, from the checkpoint alone."""

from leannet.evaluation.metrics import ClassScore, Scores, interval, score, wilson
from leannet.evaluation.scoring import Evaluation, Prediction, evaluate, predict

__all__ = ["ClassScore", "Evaluation", "Prediction", "Scores", "evaluate", "interval", "predict", "score", "wilson"]
