"""Looks inside a trained network: feature maps, attention, kernels, embeddings, and labels to doubt."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "AttentionMap": "attention_maps",
    "Embedding": "embedding",
    "FeatureMaps": "feature_maps",
    "Kernels": "kernels",
    "Suspects": "mislabelled",
    "activations": "feature_maps",
    "attention": "attention_maps",
    "embed": "embedding",
    "filters": "kernels",
    "suspects": "mislabelled",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"leannet.looks.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'leannet.looks' has no attribute '{name}'")


if TYPE_CHECKING:
    from leannet.looks.attention_maps import AttentionMap as AttentionMap
    from leannet.looks.attention_maps import attention as attention
    from leannet.looks.embedding import Embedding as Embedding
    from leannet.looks.embedding import embed as embed
    from leannet.looks.feature_maps import FeatureMaps as FeatureMaps
    from leannet.looks.feature_maps import activations as activations
    from leannet.looks.kernels import Kernels as Kernels
    from leannet.looks.kernels import filters as filters
    from leannet.looks.mislabelled import Suspects as Suspects
    from leannet.looks.mislabelled import suspects as suspects
