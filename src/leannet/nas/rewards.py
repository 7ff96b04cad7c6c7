"""What a candidate is worth: its accuracy, and how far what it takes is from a target. No torch.

Tan et al., arXiv 1807.11626, section 3, equation 2: accuracy times (latency / target) to the power of w, which is alpha
below the target and beta above it.
"""

from dataclasses import dataclass

LARGE, SMALL = -0.07, -0.15  # w: of MnasNet, and of MobileNetV3-Small (Howard et al., arXiv 1905.02244, section 5.1)


@dataclass(frozen=True)
class Reward:
    """Of an accuracy and what the network takes. target: in the unit of the cost. alpha, beta: the power below the
    target and above it."""

    target: float
    alpha: float = LARGE
    beta: float = LARGE

    @classmethod
    def soft(cls, target: float, w: float = LARGE) -> "Reward":
        """What is faster than the target is worth more, and what is slower less."""
        return cls(target, w, w)

    @classmethod
    def hard(cls, target: float) -> "Reward":
        """Only what is slower than the target is worth less, and much less."""
        return cls(target, 0.0, -1.0)

    def of(self, accuracy: float, cost: float) -> float:
        """The reward: an accuracy from 0 to 1 in, about as much out."""
        return float(accuracy * (cost / self.target) ** (self.alpha if cost <= self.target else self.beta))
