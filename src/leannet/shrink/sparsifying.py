"""`sparsify`: a trained network whose weights become zero, in training, and are kept so: unstructured pruning.

The network stays as wide as it is, so only its file becomes smaller; the report says what each engine makes of it.
"""

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from leannet import __version__
from leannet.checkpoint import load_shipped, save, to_bytes
from leannet.console import Console
from leannet.errors import LeannetError, command_line
from leannet.files import write_whole
from leannet.header import Header, checkpoint_file, read_header
from leannet.network import Network
from leannet.retired import current_settings
from leannet.rows.branches import shipped
from leannet.run_files import CONFIG, LAST, LOG, MODEL, STATE
from leannet.runtime import ENGINES, Program, engine, machine, measure, numpy_weights
from leannet.runtime.engines import is_installed
from leannet.sections import Metrics, Step
from leannet.shrink import timing
from leannet.shrink.continuing import check_classes, training_settings
from leannet.shrink.images import Images
from leannet.training.folder import check_out, make_run
from leannet.training.job import Job, prepare
from leannet.training.reading import Reader
from leannet.training.run import Run, begin, continue_run
from leannet.training.settings import Settings, read_toml
from leannet.training.sparsity import masks, sparse_keys, turned_keys, zeros_of
from leannet.training.state import load_state

ASKED = "sparsify.toml"  # what was asked for, in the folder of a network that is being rewound
DEFAULT, HALF = 0.8, 0.5
REWIND, ROUNDS = "rewind", "rounds"  # in the folder of a network that was rewound


@dataclass(frozen=True)
class Sparsified:
    """What became of a network. Accuracies are fractions of the validation images.

    path: the run folder. sparsity: the share of zeros among the weights that may be zero; by_layer: of each.
    latencies_ms: of each engine that is installed here, dense and sparse.
    """

    path: Path
    sparsity: float
    by_layer: dict[str, float]
    size_bytes_before: int
    size_bytes: int
    accuracy_before: float
    accuracy: float | None
    epochs: int
    latencies_ms: dict[str, tuple[float, float]]
    finished: bool
    run: Run | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        data = asdict(replace(self, run=None))
        return data | {"path": str(self.path), "machine": machine().to_dict()}


def sparsify(
    run: str | Path,
    data: str | None = None,
    *,
    sparsity: float | None = None,
    sparsity_level: Literal["element", "row", "column", "kernel", "2:4"] = "element",
    sparsity_scope: Literal["global", "layer"] = "global",
    sparsity_schedule: Literal["cubic", "one-shot", "rewind"] = "cubic",
    sparsity_end: float | None = None,
    rewind: int | None = None,
    rounds: int = 1,
    out: str | Path | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Sparsified:
    """Sets weights of a run or checkpoint to zero, and trains the others on.

    sparsity: the share that becomes zero, 0 to 1; None: 0.8, and a half for 2:4. sparsity_level, sparsity_scope,
    sparsity_end: as fields of training.settings.Sparsity. sparsity_schedule: cubic: gradually while it trains (Zhu and
    Gupta, arXiv 1710.01878); one-shot: at once, then it trains; rewind: the weights that stay go back to what they were
    after `rewind` epochs of the run, and are trained again as it was (Frankle and Carbin, arXiv 1803.03635; Frankle et
    al., arXiv 1912.05671), in `rounds` rounds, each of which sets the same share of what is left to zero. data: None:
    the images of the run. settings: of the training, as for `prune`; epochs: 20; 0, with one-shot: it is not trained.
    Raises LeannetError, one line, for settings or data that cannot be used.
    """
    file, console = checkpoint_file(run), Console(quiet)
    if sparsity is not None and not 0 < sparsity < 1:
        raise LeannetError(f"--sparsity {sparsity:g}: expected a share above 0 and below 1")
    if sparsity_level == "2:4" and sparsity not in (None, HALF):
        raise LeannetError(f"--sparsity {sparsity:g}: 2:4 sets half of the weights to zero: leave it out")
    share = HALF if sparsity_level == "2:4" else DEFAULT if sparsity is None else sparsity
    if sparsity_schedule == "rewind":
        if data is not None or sparsity_end is not None or settings:
            extra = next(iter(settings), "data" if data is not None else "sparsity_end")
            raise LeannetError(f"rewinding trains as the run was trained: leave out {extra.replace('_', '-')}")
        return _rewound(file, share, sparsity_level, sparsity_scope, rewind or 1, rounds, out, console)
    if rewind is not None:
        raise LeannetError(f"--rewind {rewind}: expected --sparsity-schedule rewind with it")
    if rounds != 1:
        raise LeannetError("--rounds: expected --sparsity-schedule rewind, which has rounds")
    without_training = settings.get("epochs") == 0
    if without_training:
        settings.pop("epochs")
        if sparsity_schedule != "one-shot":
            raise LeannetError(
                "--epochs 0: expected --sparsity-schedule one-shot; what becomes zero gradually does so in training"
            )
    amount: dict[str, Any] = {} if sparsity_level == "2:4" else {"amount": share}
    if sparsity_end is not None:
        amount["end"] = sparsity_end
    section = {"level": sparsity_level, "scope": sparsity_scope, "schedule": sparsity_schedule, **amount}
    chosen = training_settings(file, data, {**settings, "sparsity": section})
    check_out(out, chosen)
    source = load_shipped(file)
    job = prepare(chosen, Reader(), console, source)
    check_classes(job, source[1], file)
    images = Images(job, 1, console)
    before = images.evaluate(job.network).accuracy
    if without_training:
        folder = make_run(out, chosen.data)
        network = _masked(job.network, share, sparsity_level, sparsity_scope)
        scores = images.evaluate(network)
        save(folder / MODEL, network, _header(job, source[1], Metrics(validation=scores.summary())))
        return _result(folder, source, before, scores.accuracy, None)
    result = begin(job, out, console)
    return _result(result.path, source, before, result.validation.accuracy if result.validation else None, result)


def resume_sparsifying(folder: str | Path, quiet: bool = False) -> Sparsified:
    """Goes on with a network that is being rewound. Others are runs: `train --resume`."""
    path = Path(folder)
    if not (path / ASKED).exists():
        resume = command_line("train --resume", folder)
        raise LeannetError(f"{folder}: expected what sparsify --sparsity-schedule rewind left; or: {resume}")
    asked = read_toml(path / ASKED)
    return _rounds(path, asked, Console(quiet))


def _masked(network: Network, share: float, level: str, scope: str) -> Network:
    """Sets the smallest weights to zero, in place."""
    keys = sparse_keys(network)
    weights = dict(network.named_parameters())
    by_key: dict[str, torch.Tensor] = {key: weights[key] for key in keys}
    with torch.no_grad():
        for key, mask in masks(by_key, share, level, scope, turned_keys(network)).items():
            weights[key].mul_(mask)
    return network


# Rewinding


def _rewound(
    file: Path,
    sparsity: float,
    level: str,
    scope: str,
    epochs: int,
    rounds: int,
    out: str | Path | None,
    console: Console,
) -> Sparsified:
    import tomli_w

    config = file.parent / CONFIG
    if not config.exists() or file.name != MODEL:
        raise LeannetError(f"{file}: expected a run folder to rewind, with the {CONFIG} that says how it was trained")
    settings = Settings.make(current_settings(read_toml(config)), str(config))
    if settings.time is not None or not 1 <= epochs < settings.epochs:
        wrong = "a run with --time" if settings.time is not None else f"{epochs} of {settings.epochs}"
        raise LeannetError(f"--rewind: expected epochs from 1 to less than those of the run, found {wrong}")
    if settings.weights is not None:
        raise LeannetError(f"{file}: expected a run that began with fresh weights, found --weights {settings.weights}")
    table = read_header(file).architecture
    if shipped(table) != table.without_auxiliary():
        raise LeannetError(f"{file}: expected rows without parallel branches to rewind: they fold when it is shipped")
    check_out(out, settings)
    if out is not None and (Path(out) / ASKED).exists():
        resume = command_line("sparsify --resume", out)
        raise LeannetError(f"--out {out}: holds a network that is being rewound; choose a new folder, or {resume}")
    folder = make_run(out, settings.data)
    asked = {
        "run": str(file.resolve()), "sparsity": sparsity, "level": level, "scope": scope, "rewind": epochs,
        "rounds": rounds,
    }  # fmt: skip
    write_whole(folder / ASKED, tomli_w.dumps(asked).encode())
    return _rounds(folder, asked, console)


def _rounds(folder: Path, asked: dict[str, Any], console: Console) -> Sparsified:
    """Does what is not done yet."""
    file, reader, last = Path(asked["run"]), Reader(), int(asked["rounds"])
    settings = Settings.make(current_settings(read_toml(file.parent / CONFIG)), str(file.parent / CONFIG))
    early = folder / REWIND
    if not (early / STATE).exists() or load_state(early).state.epoch < asked["rewind"]:
        console.say(f"the first {asked['rewind']} epochs of {file.parent} again, to go back to")
        if (early / STATE).exists():
            run = continue_run(early, console.quiet, False, reader, until=asked["rewind"])
        else:
            for name in (MODEL, LAST, LOG):  # of a training that was killed before its state was saved
                (early / name).unlink(missing_ok=True)
            often = settings.model_copy(update={"evaluate_every": None})
            run = begin(prepare(often, reader, console), early, console, until=asked["rewind"])
        if run.interrupted:
            raise LeannetError(f"stopped; to go on: {command_line('sparsify --resume', folder)}")
    source = load_shipped(file)
    before = source[1].metrics.accuracy or 0.0
    network, run_or_none = source[0], None
    for number in range(1, last + 1):
        place = folder if number == last else folder / ROUNDS / str(number)
        share = 1 - (1 - asked["sparsity"]) ** (number / last)
        if not (place / STATE).exists():
            masked = _masked(copy.deepcopy(network), share, asked["level"], asked["scope"])
            _go_back(early, place, masked, settings)
        if last > 1:
            console.say(f"round {number} of {last}: {100 * share:.1f} % of the weights are zero")
        run_or_none = continue_run(place, console.quiet, False, reader, finished_too=True)
        if not run_or_none.finished:
            break
        network, _ = load_shipped(place)
    assert run_or_none is not None
    accuracy = run_or_none.validation.accuracy if run_or_none.validation else None
    return _result(folder, source, before, accuracy, run_or_none)


def _go_back(early: Path, place: Path, masked: Network, settings: Settings) -> None:
    """Begins a run with the early weights, but for those that are zero in a masked network."""
    saved = load_state(early)
    state = masked.state_dict()
    tensors = dict(saved.tensors)
    for key in sparse_keys(masked):
        for name in (f"network.{key}", f"ema.{key}"):
            if name in tensors:
                tensors[name] = tensors[name] * (state[key] != 0)
    fixed = settings.sparsity.model_copy(update={"schedule": "fixed", "amount": None})
    place.mkdir(parents=True, exist_ok=True)
    write_whole(place / CONFIG, settings.model_copy(update={"sparsity": fixed}).to_toml().encode())
    fresh = replace(saved.state, best_rank=None, stale=0, log=[])
    replace(saved, tensors=tensors, state=fresh).write(place)


# The result


def _header(job: Job, source: Header, metrics: Metrics) -> Header:
    """Of a network that was not trained: nothing in it depends on where or when it was made."""
    settings = job.settings.sparsity.model_dump(exclude_none=True)
    history = (*source.provenance.history, Step(done="sparsified", leannet=__version__, parameters=settings))
    provenance = job.header.provenance.model_copy(update={"history": history, "command": None})
    return job.header.model_copy(update={"metrics": metrics, "provenance": provenance})


def _result(
    folder: Path, source: tuple[Network, Header], before: float, accuracy: float | None, run: Run | None
) -> Sparsified:
    network, header = load_shipped(folder if run is None else run.path)
    by_layer = zeros_of(network)
    sizes = {key: parameter.size for key, parameter in header.architecture.parameters.items() if key in by_layer}
    zeros = sum(by_layer[key] * size for key, size in sizes.items()) / max(sum(sizes.values()), 1)
    return Sparsified(
        path=folder,
        sparsity=zeros,
        by_layer=by_layer,
        size_bytes_before=len(to_bytes(*source)),
        size_bytes=((folder if run is None else run.path) / MODEL).stat().st_size,
        accuracy_before=before,
        accuracy=accuracy,
        epochs=0 if run is None else len(run.log),
        latencies_ms=latencies(source[0], network) if run is None or run.finished else {},
        finished=run is None or run.finished,
        run=run,
    )


def latencies(dense: Network, sparse: Network) -> dict[str, tuple[float, float]]:
    """Milliseconds of both in each engine that is here, in turns: one thread, batch 1, float32."""
    image = np.random.default_rng(0).normal(size=(1, *dense.architecture.input.shape)).astype(np.float32)
    result = {}
    for name in ENGINES:
        if not is_installed(name):
            continue
        runs: dict[int, Callable[[], object]] = {}
        for number, network in enumerate((dense, sparse)):
            architecture = network.architecture.without_auxiliary()
            program = Program(architecture, numpy_weights(network.state_dict()))
            runs[number] = partial(engine(name).prepare(program, 1), image)
        with timing.torch_threads_kept():
            measured = measure(runs, 2 * timing.SECONDS)
        result[name] = (measured[0].median_ms, measured[1].median_ms)
    return result
