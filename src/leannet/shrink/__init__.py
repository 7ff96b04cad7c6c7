"""Networks made smaller: channels and blocks that go together, by a plan that can be read, edited and replayed."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Explanation": ".explaining",
        "Plan": ".plan",
        "PlanRow": ".plan",
        "Pruned": ".pruned",
        "Reparameterized": ".reparameterizing",
        "Rewritten": ".rewriting",
        "Sensitivity": ".curves",
        "Sparsified": ".sparsifying",
        "distill": ".distilling",
        "explain": ".explaining",
        "prune": ".pruning",
        "reparameterize": ".reparameterizing",
        "resume_pruning": ".pruning",
        "resume_sparsifying": ".sparsifying",
        "rewrite": ".rewriting",
        "sensitivity": ".probing",
        "sparsify": ".sparsifying",
    },
)

if TYPE_CHECKING:
    from leannet.shrink.curves import Sensitivity as Sensitivity
    from leannet.shrink.distilling import distill as distill
    from leannet.shrink.explaining import Explanation as Explanation
    from leannet.shrink.explaining import explain as explain
    from leannet.shrink.plan import Plan as Plan
    from leannet.shrink.plan import PlanRow as PlanRow
    from leannet.shrink.probing import sensitivity as sensitivity
    from leannet.shrink.pruned import Pruned as Pruned
    from leannet.shrink.pruning import prune as prune
    from leannet.shrink.pruning import resume_pruning as resume_pruning
    from leannet.shrink.reparameterizing import Reparameterized as Reparameterized
    from leannet.shrink.reparameterizing import reparameterize as reparameterize
    from leannet.shrink.rewriting import Rewritten as Rewritten
    from leannet.shrink.rewriting import rewrite as rewrite
    from leannet.shrink.sparsifying import Sparsified as Sparsified
    from leannet.shrink.sparsifying import resume_sparsifying as resume_sparsifying
    from leannet.shrink.sparsifying import sparsify as sparsify
