"""ShuffleNetV2's four guidelines, measured on this machine, beside what the paper measured on its own."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from leannet.cost import count, graph
from leannet.errors import LeannetError
from leannet.runtime import Latency, Machine, Program, engine, machine, measure
from leannet.studies.guideline_tables import SCALES, Case, Guideline, Speeds, tables

SHOWS, REVERSED = 1.1, 0.95  # a slowdown from here on shows; below this the guideline is reversed
EVEN = 8  # channels
Setting = tuple[str, int]  # engine, threads
Times = dict[tuple[str, str, int, str, int], Latency]  # guideline, case, scale's index, engine, threads


@dataclass(frozen=True)
class Measured:
    """One network in one engine."""

    guideline: str
    case: str
    scale: int
    engine: str
    threads: int
    macs: int
    bytes_moved: int
    sequential_depth: int
    branches: int
    layers: int
    latency: Latency
    slowdown: float  # against the first line of its table, at this scale
    expected: float  # the slowdown that the fit below gives


@dataclass(frozen=True)
class Fit:
    """Time over all networks as mult-adds / rate + bytes / bandwidth + layers * overhead, by least squares.

    Layers with a width that is no multiple of 8 have a rate of their own: engines work on so many channels at once,
    and several widths of the paper's tables are none.
    """

    engine: str
    threads: int
    gmacs_per_s: float | None  # None: the fit does without this term
    odd_gmacs_per_s: float | None
    gb_per_s: float | None
    us_per_layer: float
    median_error: float  # of the time, relative

    def terms_ms(self, case: Case, index: int) -> dict[str, float]:
        """What each term gives for one network."""
        even, odd, moved, layers = _terms(case, index)
        return {
            "mult-adds": _ms(even, self.gmacs_per_s) + _ms(odd, self.odd_gmacs_per_s),
            "memory access": _ms(moved, self.gb_per_s),
            "layers": 1e-3 * layers * self.us_per_layer,
        }

    def line(self) -> str:
        """In words."""
        return (
            f"{_setting(self.engine, self.threads)}: time is about mult-adds / {_rate_words(self.gmacs_per_s)} G/s "
            f"({_rate_words(self.odd_gmacs_per_s)} G/s where a width is no multiple of 8) + bytes / "
            f"{_rate_words(self.gb_per_s)} GB/s + {self.us_per_layer:.0f} us a layer, "
            f"to {100 * self.median_error:.0f} % (median)"
        )


@dataclass(frozen=True)
class Guidelines:
    """What was measured, what the paper printed, and the conclusions."""

    machine: Machine
    versions: tuple[str, ...]
    tables: tuple[Guideline, ...]
    measured: tuple[Measured, ...]
    fits: tuple[Fit, ...]

    @property
    def settings(self) -> list[Setting]:
        """Engines and thread counts, in order."""
        return list(dict.fromkeys((line.engine, line.threads) for line in self.measured))

    def slowdowns(self, guideline: str, case: str, setting: Setting) -> list[float]:
        """One a scale."""
        return [
            line.slowdown
            for line in self.measured
            if (line.guideline, line.case) == (guideline, case) and (line.engine, line.threads) == setting
        ]

    def words(self) -> list[str]:
        """For each guideline and engine whether it holds here, by how much, and what the fit explains of it."""
        return [self._words(table, fit) for table in self.tables for fit in self.fits]

    def _words(self, table: Guideline, fit: Fit) -> str:
        first, last = table.cases[0], table.cases[-1]
        ratios = self.slowdowns(table.key, last.name, (fit.engine, fit.threads))
        value = mean(ratios)
        verdict = "holds" if value >= SHOWS else "is reversed" if value < REVERSED else "hardly shows"
        terms = []
        for name in fit.terms_ms(first, 0):
            shares = []
            for index in range(len(SCALES)):
                before = fit.terms_ms(first, index)
                shares.append((fit.terms_ms(last, index)[name] - before[name]) / sum(before.values()))
            terms.append(f"{name} {100 * float(np.mean(shares)):+.0f} %")
        return (
            f"{table.key} {verdict} in {_setting(fit.engine, fit.threads)}: {last.name} against {first.name}, "
            f"{value:.2f} times the time ({min(ratios):.2f} to {max(ratios):.2f} over the scales). "
            f"Fitted: {', '.join(terms)}. Paper: GPU {mean(slowdowns(table, last, 'gpu')):.2f}, "
            f"ARM {mean(slowdowns(table, last, 'arm')):.2f}"
        )

    def parallelism(self) -> list[str]:
        """How much faster more threads make the first and the last line of each table."""
        counts = list(dict.fromkeys(threads for _, threads in self.settings))
        if len(counts) < 2:
            return []
        few, many = counts[0], counts[-1]
        lines = []
        for name in dict.fromkeys(name for name, _ in self.settings):
            gains = []
            for table in self.tables:
                for case in (table.cases[0], table.cases[-1]):
                    times = {
                        (line.threads, line.scale): line.latency.median_ms
                        for line in self.measured
                        if (line.guideline, line.case, line.engine) == (table.key, case.name, name)
                    }
                    gains.append(f"{case.name} {mean([times[few, s] / times[many, s] for s in SCALES]):.2f}")
            lines.append(f"{name}, {many} threads over {few}, times as fast: {', '.join(gains)}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "machine": self.machine.to_dict(),
            "versions": list(self.versions),
            "guidelines": [
                {
                    "guideline": table.key,
                    "title": table.title,
                    "table": table.table,
                    "lines": [
                        {
                            "case": case.name,
                            "macs": [count(network).macs for network in case.networks],
                            "bytes_moved": [count(network).total.bytes_moved for network in case.networks],
                            **_shape(case),
                            "paper_gpu_batches_per_s": case.gpu,
                            "paper_arm_images_per_s": case.arm,
                            "paper_gpu_slowdown": slowdowns(table, case, "gpu"),
                            "paper_arm_slowdown": slowdowns(table, case, "arm"),
                        }
                        for case in table.cases
                    ],
                }
                for table in self.tables
            ],
            "measured": [asdict(line) for line in self.measured],
            "fits": [asdict(fit) for fit in self.fits],
            "words": self.words() + self.parallelism(),
        }


def guidelines(
    engines: Sequence[str] = ("torch", "onnxruntime"),
    threads: Sequence[int] | None = None,
    seconds: float = 100,
    progress: Callable[[int, int, str], None] = lambda done, total, label: None,
) -> Guidelines:
    """Measures the paper's four tables. threads: None: one, and as many as there are cores.

    The lines of one table at one scale in one engine run in turns. seconds: for all measurements; preparing takes some
    more. progress: called with (done, total, what is measured).
    Raises LeannetError for an unknown engine, and for more threads than cores.
    """
    here = machine()
    counts = sorted(set(threads)) if threads else sorted({1, here.cores})
    for number in counts:
        if not 1 <= number <= here.cores:
            raise LeannetError(f"threads: expected 1 to {here.cores}, the cores there are, found {number}")
    used = [engine(name) for name in dict.fromkeys(engines)]
    guideline_tables = tables()
    groups = [
        (table, index, e, n) for n in counts for e in used for table in guideline_tables for index in range(len(SCALES))
    ]
    times: Times = {}
    programs = {
        (t.key, c.name, i): Program(net) for t in guideline_tables for c in t.cases for i, net in enumerate(c.networks)
    }
    for done, (table, index, e, n) in enumerate(groups):
        progress(done, len(groups), f"{table.key} x{SCALES[index]} in {_setting(e.name, n)}")
        candidates = {}
        for case in table.cases:
            run = e.prepare(programs[table.key, case.name, index], n)
            x = np.random.default_rng(0).random((1, *case.networks[index].input.shape), dtype=np.float32)
            candidates[table.key, case.name, index, e.name, n] = lambda run=run, x=x: run(x)
        times |= measure(candidates, seconds / len(groups), threads=n)
    fits = {(e.name, n): _fit(guideline_tables, times, e.name, n) for n in counts for e in used}
    lines = [
        _measured(table, case, index, times, fits[e.name, n])
        for n in counts
        for e in used
        for table in guideline_tables
        for case in table.cases
        for index in range(len(SCALES))
    ]
    return Guidelines(here, tuple(e.version() for e in used), guideline_tables, tuple(lines), tuple(fits.values()))


def slowdowns(table: Guideline, case: Case, column: str) -> list[float]:
    """The paper's, one a scale: the first line's speed over this one's."""
    first: Speeds = getattr(table.cases[0], column)
    speeds: Speeds = getattr(case, column)
    return [a / b for a, b in zip(first, speeds, strict=True)]


def mean(ratios: Sequence[float]) -> float:
    """The geometric mean."""
    return float(np.exp(np.mean(np.log(ratios))))


def _shape(case: Case) -> dict[str, int]:
    shape = graph(case.networks[0])
    layers = sum(layer.macs > 0 for layer in count(case.networks[0]).layers)
    return {"sequential_depth": shape.sequential_depth, "branches": shape.branches, "layers": layers}


def _ms(amount: float, rate: float | None) -> float:
    return 0.0 if rate is None else 1e-6 * amount / rate


def _rate_words(rate: float | None) -> str:
    return "unlimited" if rate is None else f"{rate:.0f}"


def _setting(name: str, threads: int) -> str:
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


def _terms(case: Case, index: int) -> list[float]:
    """Mult-adds at widths that are multiples of 8, at others, bytes moved, layers."""
    cost = count(case.networks[index])
    odd = 0
    for node, layer in zip(case.networks[index].layers, cost.layers, strict=True):
        groups = getattr(node.row, "groups", 1)
        if layer.in_shape.channels // groups % EVEN or layer.out_shape.channels // groups % EVEN:
            odd += layer.macs
    return [cost.macs - odd, odd, cost.total.bytes_moved, len(cost.layers)]


def _fit(guideline_tables: Sequence[Guideline], times: Times, name: str, threads: int) -> Fit:
    from scipy.optimize import nnls

    terms, seconds = [], []
    for table in guideline_tables:
        for case in table.cases:
            for index in range(len(SCALES)):
                terms.append(_terms(case, index))
                seconds.append(times[table.key, case.name, index, name, threads].median_ms / 1e3)
    scaled = np.array(terms) / np.array(seconds)[:, None]  # relative errors: small networks count like large ones
    size = scaled.max(axis=0)
    coefficients = nnls(scaled / size, np.ones(len(seconds)))[0] / size
    error = float(np.median(np.abs(scaled @ coefficients - 1)))
    even, odd, byte, layer = (float(value) for value in coefficients)
    return Fit(name, threads, _rate(even), _rate(odd), _rate(byte), 1e6 * layer, error)


def _rate(seconds: float) -> float | None:
    """In billions a second; None: the fit left the term out."""
    return 1e-9 / seconds if seconds else None


def _measured(table: Guideline, case: Case, index: int, times: Times, fit: Fit) -> Measured:
    cost, first = count(case.networks[index]), table.cases[0]
    latency = times[table.key, case.name, index, fit.engine, fit.threads]
    base = times[table.key, first.name, index, fit.engine, fit.threads]
    return Measured(
        guideline=table.key,
        case=case.name,
        scale=SCALES[index],
        engine=fit.engine,
        threads=fit.threads,
        macs=cost.macs,
        bytes_moved=cost.total.bytes_moved,
        latency=latency,
        slowdown=latency.median_ms / base.median_ms,
        expected=sum(fit.terms_ms(case, index).values()) / sum(fit.terms_ms(first, index).values()),
        **_shape(case),
    )
