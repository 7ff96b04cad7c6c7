"""Latency tables: the time of every distinct row in an engine, stored with the machine; and what they predict.

A network's latency is the sum of its rows' and one overhead, fitted to networks that are timed whole beside them: the
session around a run, the layout of the image and of the answer. Every row is a block as the paper draws it, so that
what an engine fuses inside one (a convolution, its normalization and activation, the squeeze) is timed fused; what it
would fuse over the border of two rows is not seen.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.nas.device_runner import VERSION, overhead, table_of, timed
from leannet.rows import Architecture, Dropout, Node
from leannet.rows.branches import shipped
from leannet.runtime import Machine, engine, machine
from leannet.runtime.engines import is_installed
from leannet.runtime.precisions import program
from leannet.runtime.row_probes import Probes, row_key

WITHIN = 0.1  # of the measured time: nn-Meter's bar (Zhang et al., MobiSys 2021)


@dataclass(frozen=True)
class Checked:
    """A network that was timed whole beside the rows. weight_mb: its weights in float32."""

    name: str
    weight_mb: float
    sum_ms: float  # of its rows
    measured_ms: float


@dataclass(frozen=True)
class Setting:
    """How networks run: engine with its version, precision, threads, images at once, and where."""

    engine: str
    version: str
    precision: str
    threads: int
    batch: int
    machine: Machine

    def line(self) -> str:
        """For a person."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.version}, {self.precision}, {threads}, batch {self.batch}, {self.machine.line()}"


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of rows by what they depend on (`row_key`), and the networks that say how well sums of them hold."""

    setting: Setting
    rows: dict[str, float]
    checks: tuple[Checked, ...] = ()

    @cached_property
    def _overhead(self) -> tuple[float, float]:
        return overhead([asdict(each) for each in self.checks])

    def overhead_ms(self, architecture: Architecture) -> float:
        """What a network takes beside its rows: a constant, and the fetching of its weights."""
        constant, per_mb = self._overhead
        return constant + per_mb * weight_mb(architecture)

    def predict(self, architecture: Architecture) -> float:
        """Milliseconds of a network. Raises LeannetError naming the rows that the table lacks."""
        return self.sum_ms(architecture) + self.overhead_ms(architecture)

    def row_ms(self, node: Node) -> float | None:
        """Milliseconds of one row; None where the table lacks it."""
        return 0.0 if isinstance(node.row, Dropout) else self.rows.get(row_key(node.row, node.in_shapes))

    def sum_ms(self, architecture: Architecture) -> float:
        """Milliseconds of the rows alone."""
        times = {node.path: self.row_ms(node) for node in shipped(architecture).graph.nodes}
        missing = self.lacking(architecture)
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise LeannetError(
                f"{architecture.name}: the latency table lacks row {', '.join(missing[:3])}{more} on these shapes: "
                "measure it too, with leannet latency-table"
            )
        return sum(ms for ms in times.values() if ms is not None)

    def lacking(self, architecture: Architecture) -> list[str]:
        """The rows of a network that are not in the table."""
        return [node.path for node in shipped(architecture).graph.nodes if self.row_ms(node) is None]

    @property
    def errors(self) -> list[float]:
        """Of each network that was timed whole, how far off its prediction is by an overhead fitted to the others: a
        share of what was measured."""
        errors = []
        for number, each in enumerate(self.checks):
            others = [other for place, other in enumerate(self.checks) if place != number]
            constant, per_mb = overhead([asdict(other) for other in others])
            predicted = each.sum_ms + constant + per_mb * each.weight_mb
            errors.append((predicted - each.measured_ms) / each.measured_ms)
        return errors

    def quality(self) -> str:
        """How well predictions hold, in a line."""
        constant, per_mb = self._overhead
        beside = f"{constant:.3f} ms beside the rows" + (f" and {per_mb:.4f} a MB of weights" if per_mb else "")
        if len(self.checks) < 2:
            return f"{beside}, by {len(self.checks)} network: how well predictions hold is not known"
        errors = np.abs(self.errors)
        return (
            f"{beside}; of {len(errors)} networks that were timed whole, predictions "
            f"by the others' overhead are off by {100 * np.median(errors):.1f} % in the median, "
            f"{100 * errors.max():.1f} % at most, and {(errors <= WITHIN).sum()} by no more than {100 * WITHIN:.0f} %"
        )

    def check(
        self, engine_name: str, precision: str, threads: int, allowed: str | None = None, instead: str | None = None
    ) -> None:
        """Raises LeannetError where the table is of another engine or version of it, precision, number of threads or
        machine.

        allowed: the name of a processor whose table may be used though it is not this machine's, or of an older engine.
        instead: what is to be done about another's; None: name it.
        """
        own = self.setting
        for flag, asked, of_table in (
            ("--latency-engine", engine_name, own.engine),
            ("--latency-precision", precision, own.precision),
            ("--latency-threads", threads, own.threads),
        ):
            if asked != of_table:
                raise LeannetError(f"{flag} {asked}: the latency table was measured with {of_table}: expected the same")
        if own.batch != 1:
            raise LeannetError(f"the latency table is of {own.batch} images at once: expected one of --batch 1")
        if allowed is not None and own.machine.processor != allowed:
            raise LeannetError(f"--device {allowed}: expected its latency table, found one of {own.machine.line()}")
        here = machine()
        if allowed is None and not own.machine.computes_as(here):
            raise LeannetError(
                f"the latency table is of another machine: expected {here.line()}, found {own.machine.line()}; "
                + (instead or f"if networks are for that one, say so: --device '{own.machine.processor}'")
            )
        here_is = engine(engine_name).version() if is_installed(engine_name) else own.version
        if allowed is None and own.version != here_is:
            raise LeannetError(
                f"the latency table is of another version: expected {here_is}, found {own.version}; "
                + (instead or f"measure it anew, or say that it is meant: --device '{own.machine.processor}'")
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        checks = [asdict(each) for each in self.checks]
        constant, per_mb = self._overhead
        return {
            "format_version": VERSION, "setting": asdict(self.setting), "overhead_ms": constant, "ms_per_mb": per_mb,
            "checks": checks, "rows": self.rows,
        }  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Writes the file, whole or not at all."""
        write_whole(Path(path), json.dumps(self.to_dict(), indent=1).encode())

    @classmethod
    def load(cls, path: str | Path) -> "LatencyTable":
        """Reads the file. Raises LeannetError for what is no latency table, or of a newer version."""
        try:
            data = json.loads(Path(path).read_text())
        except OSError as error:
            raise LeannetError(f"{path}: {error.strerror or error}") from None
        except ValueError as error:
            raise LeannetError(f"{path}: expected a latency table, found no JSON: {error}") from None
        return cls.from_dict(data, str(path))

    @classmethod
    def from_dict(cls, data: Any, where: str) -> "LatencyTable":
        """From plain data, as `to_dict` and a device's runner give it. Raises LeannetError for anything else."""
        try:
            if data["format_version"] > VERSION:
                raise LeannetError(f"{where}: expected a latency table of version {VERSION}, found "
                                   f"{data['format_version']}: update leannet")  # fmt: skip
            fields = dict(data["setting"])
            setting = Setting(**(fields | {"machine": Machine(**fields["machine"])}))
            rows = {str(key): float(ms) for key, ms in data["rows"].items()}
            return cls(setting, rows, tuple(Checked(**each) for each in data["checks"]))
        except LeannetError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LeannetError(f"{where}: expected a latency table, as leannet latency-table writes it, found "
                               f"something else ({type(error).__name__}: {error})") from None  # fmt: skip


def weight_mb(architecture: Architecture) -> float:
    """MB of a network's weights in float32."""
    return count(architecture).weight_bytes / 1e6


@dataclass(frozen=True)
class Work:
    """What is to be timed for a table: `probes` for the rows, and whole networks beside them, by name."""

    probes: Probes
    wholes: Mapping[str, Architecture]

    @classmethod
    def of(
        cls,
        architectures: Iterable[Architecture],
        wholes: Sequence[Architecture] = (),
        known: Collection[str] = (),
    ) -> "Work":
        """For all rows of these networks, of which `wholes` are timed whole too. known: keys of rows to leave out."""
        probes, timed = Probes(), {f"whole_{number + 1}": shipped(each) for number, each in enumerate(wholes)}
        for each in (*map(shipped, architectures), *timed.values()):
            probes.add(node for node in each.graph.nodes if row_key(node.row, node.in_shapes) not in known)
        return cls(probes, timed)

    @property
    def networks(self) -> dict[str, Architecture]:
        """All that is timed, by name, in random order: a machine that drifts does so for rows and wholes alike."""
        networks = self.probes.networks | dict(self.wholes)
        names = list(networks)
        return {names[number]: networks[names[number]] for number in np.random.default_rng(0).permutation(len(names))}

    def manifest(self, engine_name: str, precision: str, threads: int, batch: int) -> dict[str, Any]:
        """The same as plain data, for who times it (`device_runner`)."""
        return {
            "format_version": VERSION, "engine": engine_name, "precision": precision, "threads": threads,
            "batch": batch,
            "networks": {name: {"input": list(each.input.shape)} for name, each in self.networks.items()},
            "rows": self.probes.rows,
            "wholes": {
                name: {
                    "label": each.name,
                    "weight_mb": weight_mb(each),
                    "rows": [row_key(node.row, node.in_shapes) for node in each.graph.nodes
                             if not isinstance(node.row, Dropout)],
                }
                for name, each in self.wholes.items()
            },
        }  # fmt: skip


def measure_table(
    work: Work,
    engine_name: str = "onnxruntime",
    precision: str = "float32",
    threads: int = 1,
    batch: int = 1,
    seconds: float = 60,
    done: Callable[[int], None] = lambda number: None,
) -> LatencyTable:
    """Times everything, for so many seconds and at least five runs each. done: called with the number of those timed.

    Raises LeannetError for an engine that is not there, and a precision that it does not have.
    """
    chosen, networks, times = engine(engine_name), work.networks, dict[str, float]()

    def prepare(name: str) -> Callable[[], object]:
        run = chosen.prepare(program(networks[name], precision, engine_name), threads)
        x = np.random.default_rng(0).normal(size=(batch, *networks[name].input.shape)).astype(np.float32)
        return partial(run, x)

    timed(list(networks), prepare, seconds, threads, times, done)
    manifest = work.manifest(engine_name, precision, threads, batch)
    return LatencyTable.from_dict(table_of(manifest, times, chosen.version(), machine()), "the latency table")
