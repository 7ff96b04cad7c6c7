"""`adapt`: a trained network made to fit a budget step by step, by what each step costs in accuracy (NetAdapt).

Yang et al., arXiv 1804.03230. Of every step all proposals are trained for a short while and evaluated on the
validation images, which no proposal was trained on; the best goes on, and in the end the network is trained for long.
Proposals are trials of a study, so that any number of processes and machines that share the folder take them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from leannet.console import Console
from leannet.errors import LeannetError, command_line
from leannet.files import write_whole
from leannet.header import checkpoint_file
from leannet.nas.adapt_request import Adaptation, Request
from leannet.nas.adapt_resource import TABLE, first_resource
from leannet.nas.adapt_worker import ORIGINAL, Worker
from leannet.nas.adapted import Adapted
from leannet.nas.proposing import narrowest
from leannet.nas.resources import Predicted, Resource
from leannet.nas.storage import check_storage, kept
from leannet.nas.tables import WITHIN
from leannet.network import Network
from leannet.retired import current_settings
from leannet.rows.channels import channels
from leannet.runtime.engines import is_installed
from leannet.shrink.budgets import FLAGS, read_budgets, readable
from leannet.shrink.choosing import check_names
from leannet.shrink.continuing import training_settings
from leannet.shrink.criteria import score
from leannet.shrink.timing import torch_threads_kept
from leannet.training.folder import check_out, make_run
from leannet.training.settings import Settings


def adapt(
    run: str | Path,
    data: str | None = None,
    *,
    latency: str | None = None,
    macs: str | None = None,
    params: str | None = None,
    out: str | Path | None = None,
    storage: str | None = None,
    quiet: bool = False,
    request: Mapping[str, Any] | None = None,
    begun: Callable[[Path], object] = lambda folder: None,
    measure: bool = True,
    short_threads: int | None = None,
    **settings: Any,
) -> Adapted:
    """Adapts a run or checkpoint to a budget, and trains it on.

    latency, macs, params: the most that the result may take, as "60%" of what it takes now, or "3ms", "14M"; one of
    them; none: 60 % of the milliseconds. data: None: the images of the run. out: the run folder; None: a new one under
    runs/. storage: of the study, for workers on several machines; None: a file of SQLite in the folder. request: fields
    of nas.adapt_request.Request. begun: called with the folder once others may help. measure: whether the original and
    the result are timed side by side at the end. short_threads: of torch, while proposals are trained; None: all that
    other workers leave.
    settings: of the training at the end, fields of training.settings.Settings; others are those that trained the
    network. epochs: 20.
    Raises LeannetError, one line, for a budget that the steps cannot reach, and settings or data that cannot be used.
    """
    budgets = {"latency_ms": latency, "macs": macs, "params": params}
    asked = {quantity: text for quantity, text in budgets.items() if text is not None}
    if len(asked) > 1:
        raise LeannetError("adapt: expected one budget of --latency, --macs and --params, found several")
    quantity, budget = next(iter(asked.items()), ("latency_ms", None))
    made = Request.make(
        run=str(checkpoint_file(run).resolve()), quantity=quantity, budget=budget, **dict(request or {})
    )
    if storage is not None:
        check_storage(storage)
    chosen = training_settings(Path(made.run), data, settings)
    if out is not None and (Path(out) / Adaptation.file).exists():
        raise LeannetError(
            f"--out {out}: holds another adaptation; choose a new folder, or {command_line('adapt --resume', out)}"
        )
    check_out(out, chosen)
    worker = Worker(made, Path(made.run), chosen, Console(quiet), short_threads)
    check_names((*made.rows, *made.keep), worker.original.architecture)
    with torch_threads_kept():
        resource = first_resource(made, worker.original, worker.console.say)
    network = worker.original
    before = resource.of(network.architecture)
    (limit,) = read_budgets({made.quantity: made.budget}, {made.quantity: before})
    made.reductions.check(1 - limit.most / before, made.steps)
    _check_floor(made, network, resource, limit.most)
    accuracy = worker.images.evaluate(network).accuracy
    folder = make_run(out, chosen.data)
    write_whole(folder / ORIGINAL, Path(made.run).read_bytes())
    if isinstance(resource, Predicted):
        resource.save(folder / TABLE)
    Adaptation(
        request=made,
        settings=worker.job.settings.model_dump(mode="json", exclude_none=True),
        storage=kept(storage),
        study=f"adapt {folder.resolve().name} {uuid4().hex[:12]}",
        weights=worker.weights,
        command=worker.job.header.provenance.command,
        accuracy=accuracy,
        before=before,
        most=limit.most,
    ).save(folder)
    worker.console.say(f"into {folder}; to go on or to help: {command_line('adapt --resume', folder)}")
    begun(folder)
    adapted = worker.adapt(folder)
    return adapted.measured() if measure else adapted


def _check_floor(request: Request, network: Network, resource: Resource, most: float) -> None:
    """Raises LeannetError for a budget that not even the narrowest network meets, by far, where it is timed."""
    tied = channels(network.architecture)
    # Of every step's network a layer keeps the share --least, so that in several steps it may lose more.
    least = narrowest(tied, score(network, tied, "l2"), request.rows, request.keep, request.round_to, 0.0)
    floor, close = 0.0, 0.0
    if request.quantity != "latency_ms":
        floor = resource.of(least)
    elif is_installed(request.timing.engine):
        before, after = request.timing.milliseconds([network.architecture, least])
        floor, close = resource.of(network.architecture) * after / before, WITHIN
    if floor > most * (1 + close):
        raise LeannetError(
            f"{FLAGS[request.quantity]} {readable(request.quantity, most)}: expected at least "
            f"{readable(request.quantity, floor)}, which is left when every row that may become narrower is as narrow "
            "as it may be (--rows, --keep, --round-to)"
        )


def resume_adapting(
    folder: str | Path, quiet: bool = False, threads: int | None = None, measure: bool = True
) -> Adapted:
    """Goes on with an adaptation that was stopped or killed, or helps one that others are at.

    threads: of torch, while proposals are trained; None: all that other workers leave. measure: as of `adapt`. Raises
    LeannetError for a folder of none.
    """
    path = Path(folder)
    adaptation = Adaptation.load(path)
    settings = Settings.make(current_settings(adaptation.settings), str(path / Adaptation.file))
    worker = Worker(adaptation.request, path / ORIGINAL, settings, Console(quiet), threads)
    if worker.weights != adaptation.weights:
        raise LeannetError(f"{path / ORIGINAL}: has changed since this adaptation began: start a new one")
    adapted = worker.adapt(path)
    return adapted.measured() if measure else adapted
