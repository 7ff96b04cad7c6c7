"""Weights from leannet's checkpoints, from files of other libraries and trainers, and from a hub.

The format is recognized by content (opening.py), and what is pickled beside tensors becomes inert data (inert.py). The
network's keys are then searched for in the whole file (candidates.py), and the network gets the rows of the library
that those keys belong to (reading.py).
"""

from leannet.weights.reading import read_weights

__all__ = ["read_weights"]
