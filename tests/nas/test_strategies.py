"""Rewards, the controller and its rivals: against the paper's words, enumeration, and a space whose best is known."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from leannet.nas.controller import Controller, Reinforce, surrogate
from leannet.nas.rewards import LARGE, SMALL, Reward
from leannet.nas.space import Candidate, Decision
from leannet.nas.spaces import space_of
from leannet.nas.strategies import Drawn, Evolution, Name, Random, Tried, draw_new, mutated, strategy
from leannet.zoo import architecture

SPACE = space_of(architecture("cifar_mobilenet_v2"))
SMALL_DECISIONS = (Decision("a", (1, 2, 3)), Decision("b", (1, 2)), Decision("c", (1, 2, 3)))


def test_the_reward_is_the_papers() -> None:
    """MnasNet, section 3: twice the latency at 5 % more accuracy is worth as much; hard: only what is slower loses."""
    soft = Reward.soft(80.0)
    assert soft.of(0.5 * 1.05, 160.0) == pytest.approx(soft.of(0.5, 80.0), rel=1e-3)
    assert soft.of(0.5, 40.0) == pytest.approx(0.5 * 2**0.07)
    assert Reward.hard(80.0).of(0.5, 40.0) == 0.5
    assert Reward.hard(80.0).of(0.5, 160.0) == 0.25
    assert (LARGE, SMALL) == (-0.07, -0.15)
    assert Reward.soft(80.0, SMALL).of(0.5, 160.0) == pytest.approx(0.5 * 2**-0.15)


def _all(decisions: tuple[Decision, ...]) -> torch.Tensor:
    return torch.tensor(list(product(*(range(len(options)) for _, options in decisions))))


def test_probabilities_sum_to_one_and_samples_follow_them() -> None:
    controller = Controller(SMALL_DECISIONS, hidden=16)
    with torch.no_grad():
        for head in controller.heads:
            head.bias.add_(torch.randn(head.bias.shape, generator=torch.Generator().manual_seed(1)))
    everything = _all(SMALL_DECISIONS)
    logs, _ = controller.log_probabilities(everything)
    chances = logs.exp().detach()
    assert float(chances.sum()) == pytest.approx(1, abs=1e-5)
    sampled = controller.sample(20_000, torch.Generator().manual_seed(0))
    for candidate, chance in zip(everything.tolist(), chances.tolist(), strict=True):
        share = sampled.count(tuple(candidate)) / 20_000
        assert abs(share - chance) < 4 * (chance / 20_000) ** 0.5 + 1e-4


def test_its_gradient_is_that_of_the_expected_reward() -> None:
    """Enumerated: the surrogate's gradient, weighted by how likely each candidate is, whatever the baseline."""
    controller = Controller(SMALL_DECISIONS, hidden=16)
    everything = _all(SMALL_DECISIONS)
    rewards = torch.rand(len(everything), generator=torch.Generator().manual_seed(0))
    logs, _ = controller.log_probabilities(everything)
    exact = torch.autograd.grad(-(logs.exp() * rewards).sum(), list(controller.parameters()), allow_unused=True)
    for baseline in (0.0, 0.7):
        logs, _ = controller.log_probabilities(everything)
        chances = logs.exp().detach()
        weighted = surrogate(logs, (rewards - baseline) * chances * len(everything))
        found = torch.autograd.grad(weighted, list(controller.parameters()), allow_unused=True)
        for one, other in zip(exact, found, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_a_controller_is_the_same_from_the_same_seed() -> None:
    state = torch.get_rng_state()
    one, two = (Controller(SMALL_DECISIONS, seed=3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    samples = [each.sample(5, torch.Generator().manual_seed(0)) for each in (one, two)]
    assert samples[0] == samples[1]


def _reward(candidate: Candidate, best: Candidate) -> float:
    """Of a space whose best is known: the share of decisions that agree, and pairs of neighbors that do count twice."""
    same = [one == other for one, other in zip(candidate, best, strict=True)]
    pairs = [one and other for one, other in pairwise(same)]
    return (sum(same) + sum(pairs)) / (len(same) + len(pairs))


def _search(name: Name, seed: int, evaluations: int, decisions: int = 12) -> tuple[float, list[float]]:
    """The best reward of a search on a synthetic space, and all rewards."""
    base = architecture("cifar_mobilenet_v2")
    space = space_of(base, squeeze=(), width=(), kernel=(3, 5, 7), expansion=(2, 3, 4, 6), depth=False)
    assert len(space.decisions) == decisions
    best = space.random(np.random.default_rng(1000 + seed))
    draw = np.random.default_rng(seed)
    searcher = strategy(name, space, seed)
    tried: list[Tried] = []
    known: dict[Candidate, float] = {}
    for number in range(evaluations):
        drawn = draw_new(searcher, tried, lambda each: each not in known, lambda _: True, known.get, draw)
        if drawn is None:  # it has settled
            break
        reward = _reward(drawn.candidate, best)
        known[drawn.candidate] = reward
        tried.append(Tried(number, drawn.candidate, reward, (*drawn.before, (drawn.candidate, reward))))
    return max(known.values()), [each.reward for each in tried]


@pytest.mark.parametrize(("seeds", "evaluations"), [(1, 100), pytest.param(10, 600, marks=pytest.mark.everything)])
def test_the_controller_finds_the_best_and_beats_chance(seeds: int, evaluations: int) -> None:
    """Of 12 decisions, 3 million candidates."""
    by_controller = [_search("controller", seed, evaluations) for seed in range(seeds)]
    by_chance = [_search("random", seed, evaluations) for seed in range(seeds)]
    assert all(one[0] > other[0] for one, other in zip(by_controller, by_chance, strict=True))
    assert sum(best == 1 for best, _ in by_controller) >= 0.8 * seeds
    for _, rewards in by_controller:
        assert np.mean(rewards[-50:]) > np.mean(rewards[:50]) + 0.3


def test_evolution_beats_chance() -> None:
    pairs = [(_search("evolution", seed, 300)[0], _search("random", seed, 300)[0]) for seed in range(5)]
    assert all(one > other for one, other in pairs)


def test_a_mutation_changes_one_decision() -> None:
    draw = np.random.default_rng(0)
    seen = set()
    candidate = SPACE.random(draw)
    for _ in range(300):
        other = mutated(SPACE, candidate, draw)
        SPACE.options(other)  # raises for what is none
        (place,) = [place for place, (a, b) in enumerate(zip(candidate, other, strict=True)) if a != b]
        seen.add(place)
    assert seen == {place for place, (_, options) in enumerate(SPACE.decisions) if len(options) > 1}


def test_evolution_forgets_the_oldest() -> None:
    """The best of all is too old to be a parent."""
    searcher, draw = Evolution(SPACE, population=4, sample=4), np.random.default_rng(0)
    candidates = [SPACE.random(draw) for _ in range(5)]
    tried = [
        Tried(number, each, reward)
        for number, (each, reward) in enumerate(zip(candidates, (9, 1, 2, 4, 3), strict=True))
    ]
    child = searcher.propose(tried, draw)
    assert sum(a != b for a, b in zip(child, candidates[3], strict=True)) == 1


def test_what_does_not_fit_is_drawn_again_and_worth_nothing() -> None:
    draw = np.random.default_rng(0)
    first = Random(SPACE).propose([], np.random.default_rng(0))
    drawn = draw_new(Random(SPACE), [], lambda _: True, lambda each: each != first, lambda _: None, draw)
    assert isinstance(drawn, Drawn)
    assert drawn.candidate != first
    assert drawn.before == [(first, 0.0)]
    nothing = draw_new(Random(SPACE), [], lambda _: False, lambda _: True, lambda _: None, draw)
    assert nothing is None


def test_a_controller_goes_on_where_it_stopped() -> None:
    """From the same trials another worker's controller is the same."""
    one, two = (strategy("controller", SPACE, 0) for _ in range(2))
    tried: list[Tried] = []
    for number in range(24):
        candidate = one.propose(tried, np.random.default_rng(number))
        reward = float(candidate[0])
        tried.append(Tried(number, candidate, reward, ((candidate, reward),)))
    assert one.propose(tried, np.random.default_rng(99)) == two.propose(tried, np.random.default_rng(99))


def test_reinforce_raises_what_is_rewarded() -> None:
    controller = Controller(SMALL_DECISIONS, hidden=16)
    reinforce, generator = Reinforce(controller, rate=0.02, entropy=0.0), torch.Generator().manual_seed(0)
    for _ in range(60):
        candidates = controller.sample(8, generator)
        reinforce.learn(candidates, [float(each[1] == 1) for each in candidates])
    sampled = controller.sample(200, generator)
    assert np.mean([each[1] == 1 for each in sampled]) > 0.9
