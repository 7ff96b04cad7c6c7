"""How much a step of NetAdapt takes away. No torch.

Yang et al., arXiv 1804.03230, section 3: a first reduction, which every further step multiplies by a factor below one.
Howard et al., arXiv 1905.02244, section 5.2: always the same share of what the network took at first, 0.01 there.
"""

import math
from dataclasses import dataclass

from leannet.errors import LeannetError


@dataclass(frozen=True)
class Reductions:
    """Of each step, as shares of what the original takes. decay: 1: always the same."""

    first: float = 0.05
    decay: float = 0.98

    def of_step(self, step: int) -> float:
        """The share that step 1, 2, ... takes away."""
        return self.first * self.decay ** (step - 1)

    @property
    def reach(self) -> float:
        """The share that all steps together take away at most, however many there are."""
        return math.inf if self.decay == 1 else self.first / (1 - self.decay)

    def steps(self, share: float) -> int:
        """How many steps take away so much. Raises LeannetError for more than they ever do."""
        if share >= self.reach:
            raise LeannetError(
                f"--reduction {self.first:g} --decay {self.decay:g}: all steps together take away at most "
                f"{100 * self.reach:.1f} %, and the budget asks for {100 * share:.1f} %: a larger reduction, or a "
                "decay nearer to 1"
            )
        if self.decay == 1:
            return math.ceil(share / self.first - 1e-9)
        return math.ceil(math.log1p(-share * (1 - self.decay) / self.first) / math.log(self.decay) - 1e-9)

    def check(self, share: float, most_steps: int | None) -> None:
        """Raises LeannetError where so much is never taken away, or not in so many steps."""
        steps = self.steps(share)
        if most_steps is not None and steps > most_steps:
            raise LeannetError(
                f"--steps {most_steps}: --reduction {self.first:g} --decay {self.decay:g} takes {steps} steps to take "
                f"away {100 * share:.1f} %: a larger reduction, or more steps"
            )
