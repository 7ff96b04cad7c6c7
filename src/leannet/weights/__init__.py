"""Weights, wherever they come from: leannet's checkpoints, the files of other libraries and trainers, and a hub.

A file is opened by its content (opening.py), and what it pickles beside tensors becomes inert data (inert.py). The
network's own keys are then looked for in all of it (candidates.py), and the rows become those of the library whose
keys they are (reading.py).
"""

from leannet.weights.reading import read_weights

__all__ = ["read_weights"]
