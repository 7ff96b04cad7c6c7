"""A recurrent controller that learns which choices are rewarded (Zoph and Le, arXiv 1611.01578, section 3).

An LSTM says one decision after another: each reads the embedding of the option that the one before took. It is trained
by REINFORCE: the gradient of the expected reward is that of the log-probability of what was sampled, times how much its
reward is above the mean of the others.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from leannet.nas.choices import Candidate, Decision


class Controller(nn.Module):
    """A distribution over the candidates of a space. Fresh, all options of a decision are nearly alike likely."""

    def __init__(self, decisions: Sequence[Decision], hidden: int = 64, seed: int = 0):
        super().__init__()
        self.numbers = [len(options) for _, options in decisions]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.cell = nn.LSTMCell(hidden, hidden)
            self.first = nn.Parameter(torch.zeros(hidden))
            self.embeddings = nn.ModuleList(nn.Embedding(number, hidden) for number in self.numbers)
            self.heads = nn.ModuleList(nn.Linear(hidden, number) for number in self.numbers)
            for parameter in self.parameters():
                nn.init.uniform_(parameter, -0.1, 0.1)

    def log_probabilities(self, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Of candidates (N, decisions): log-probabilities (N,), and the entropies of all decisions on the way (N,)."""
        logs, entropies = torch.zeros(len(candidates)), torch.zeros(len(candidates))
        for place, log in enumerate(self._say(candidates)):
            logs = logs + log.gather(1, candidates[:, place : place + 1])[:, 0]
            entropies = entropies - (log.exp() * log).sum(dim=1)
        return logs, entropies

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> list[Candidate]:
        """So many candidates, drawn from the distribution; they may repeat."""
        chosen = torch.zeros(count, len(self.numbers), dtype=torch.long)
        for place, log in enumerate(self._say(chosen)):
            chosen[:, place] = torch.multinomial(log.exp(), 1, generator=generator)[:, 0]
        return [tuple(row) for row in chosen.tolist()]

    def _say(self, candidates: Tensor) -> Iterator[Tensor]:
        """The log-probabilities (N, options) of one decision after another. candidates: read as far as they are
        decided, so that a caller may fill them in on the way."""
        x = self.first.expand(len(candidates), -1)
        state = None
        for place, (embedding, head) in enumerate(zip(self.embeddings, self.heads, strict=True)):
            state = self.cell(x, state)
            yield head(state[0]).log_softmax(dim=1)
            x = embedding(candidates[:, place].clone())


class Reinforce:
    """The controller in training. rate: of Adam. entropy: weight of the entropy, which keeps it from settling early."""

    def __init__(self, controller: Controller, rate: float = 0.01, entropy: float = 1e-3, momentum: float = 0.9):
        self.controller = controller
        self._optimizer = torch.optim.Adam(controller.parameters(), lr=rate)
        self._entropy, self._momentum = entropy, momentum
        self.baseline: float | None = None

    def learn(self, candidates: Sequence[Candidate], rewards: Sequence[float]) -> None:
        """One step on candidates that were sampled, and their rewards."""
        values = torch.tensor(rewards, dtype=torch.float32)
        mean = float(values.mean())
        # A moving mean of earlier rewards: it does not depend on what was sampled now, so no expectation changes.
        baseline = mean if self.baseline is None else self.baseline
        self.baseline = mean if self.baseline is None else self._momentum * self.baseline + (1 - self._momentum) * mean
        logs, entropies = self.controller.log_probabilities(torch.tensor(candidates))
        loss = surrogate(logs, values - baseline) - self._entropy * entropies.mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stubs
        nn.utils.clip_grad_norm_(self.controller.parameters(), 1.0)
        self._optimizer.step()


def surrogate(logs: Tensor, advantages: Tensor) -> Tensor:
    """What has the gradient of minus the expected reward, where candidates were sampled (Williams 1992)."""
    return -(advantages * logs).mean()
