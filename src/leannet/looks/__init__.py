"""Looks inside a trained network: feature maps, attention, kernels, embeddings, and suspect labels."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AttentionMap": ".attention_maps",
        "Embedding": ".embedding",
        "FeatureMaps": ".feature_maps",
        "Kernels": ".kernels",
        "Suspects": ".suspect_labels",
        "activations": ".feature_maps",
        "attention": ".attention_maps",
        "embed": ".embedding",
        "filters": ".kernels",
        "suspects": ".suspect_labels",
    },
)

if TYPE_CHECKING:
    from leannet.looks.attention_maps import AttentionMap as AttentionMap
    from leannet.looks.attention_maps import attention as attention
    from leannet.looks.embedding import Embedding as Embedding
    from leannet.looks.embedding import embed as embed
    from leannet.looks.feature_maps import FeatureMaps as FeatureMaps
    from leannet.looks.feature_maps import activations as activations
    from leannet.looks.kernels import Kernels as Kernels
    from leannet.looks.kernels import filters as filters
    from leannet.looks.suspect_labels import Suspects as Suspects
    from leannet.looks.suspect_labels import suspects as suspects
