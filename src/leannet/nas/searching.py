"""`search`: networks of a space, by what they reach and what they take on a device (MnasNet; Tan et al., 1807.11626).

Candidates are trials of a study: a strategy proposes, from all that was tried; who claims a candidate evaluates it.
Any number of processes and machines that share the folder take part, and each may stop and go on.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from leannet.console import Console
from leannet.errors import LeannetError, command_line
from leannet.files import write_whole
from leannet.header import checkpoint_file
from leannet.nas.adapt_resource import TABLE
from leannet.nas.evaluating import BySupernet
from leannet.nas.resources import Predicted
from leannet.nas.search_request import Request, Search
from leannet.nas.search_worker import SUPERNET, Worker
from leannet.nas.searched import Searched
from leannet.nas.space import Space
from leannet.nas.spaces import read_space
from leannet.nas.storage import check_storage, kept
from leannet.retired import current_settings
from leannet.shrink.budgets import Quantity, check_budgets, read_budgets
from leannet.shrink.continuing import training_settings
from leannet.training.folder import check_out, make_run
from leannet.training.run import make_settings
from leannet.training.settings import Settings

LARGEST, ORIGINAL = "largest.json", "original.safetensors"


def search(
    data: str | Path | None = None,
    space: str | Space | None = None,
    *,
    from_run: str | Path | None = None,
    latency: str | None = None,
    macs: str | None = None,
    params: str | None = None,
    out: str | Path | None = None,
    storage: str | None = None,
    supernet: str | Path | None = None,
    quiet: bool = False,
    request: Mapping[str, Any] | None = None,
    begun: Callable[[Path], object] = lambda folder: None,
    short_threads: int | None = None,
    **settings: Any,
) -> Searched:
    """Searches a space for a network of images, and returns all that was tried, the best first.

    space: a file, a network whose rows suggest one, or a Space. from_run: a trained network in its place: of each of
    its widths it is searched how much is kept, and candidates have what is left of its weights; the best one's are in
    found.safetensors. data: None: the images of that run. latency, macs, params: the target, as "50%" of what the
    largest network takes, or "3ms", "14M"; one of them, or none where the request has sram or flash: then only those
    count. out: the folder; None: a new one under runs/. storage: of the study, for workers on several machines; None: a
    file of SQLite in the folder. supernet: the run of an earlier search over the same space, whose weights are taken.
    request: fields of nas.search_request.Request. begun: called with the folder once others may help. short_threads: of
    torch, while candidates are evaluated; None: all. settings: of the training of the shared weights, fields of
    training.settings.Settings.
    Raises LeannetError, one line, for a space, target, data or settings that cannot be used.
    """
    targets: dict[Quantity, str | None] = {"latency_ms": latency, "macs": macs, "params": params}
    asked: dict[Quantity, str | None] = {name: text for name, text in targets.items() if text is not None}
    wishes = dict(request or {})
    if not asked and (wishes.get("sram") or wishes.get("flash")):  # what fits is not worth less for what it takes
        asked, wishes = {"macs": None}, wishes | {"hard": True}
    if len(asked) != 1:
        number = len(asked) or "none"
        raise LeannetError(
            f"search: expected one target of --latency, --macs and --params, or --sram or --flash alone, found {number}"
        )
    ((quantity, text),) = asked.items()
    budgets = {} if text is None else {quantity: text}
    check_budgets(budgets)
    if storage is not None:
        check_storage(storage)
    if fixed := [name for name in ("model", "width", "resolution", "weights") if settings.get(name)]:
        raise LeannetError(f"--{fixed[0]}: the space says what networks are: leave it out")
    if out is not None and (Path(out) / Search.file).exists():
        raise LeannetError(
            f"--out {out}: holds another search; choose a new folder, or {command_line('search --resume', out)}"
        )
    if (space is None) == (from_run is None):
        raise LeannetError(f"search: expected a space (--space) or a trained network (--from), found "
                           f"{'neither' if space is None else 'both'}")  # fmt: skip
    if from_run is not None:
        if supernet is not None or wishes.get("evaluate") == "training":
            raise LeannetError("--from: candidates have the weights of that run: leave out --supernet and --evaluate")
        source = checkpoint_file(from_run)
        planned = training_settings(source, None if data is None else str(data), settings)
        name, content = ORIGINAL, source.read_bytes()
    else:
        if data is None:
            raise LeannetError("search: expected DATA, the images that a network of the space is for")
        assert space is not None
        space = read_space(space) if isinstance(space, str) else space
        planned = make_settings(data, {**settings, "model": LARGEST})
        name, content = LARGEST, space.architecture(space.largest).to_json().encode()
    check_out(out, planned)
    is_new = out is None or not Path(out).exists()
    folder = make_run(out, planned.data)
    file = folder / name
    write_whole(file, content)
    try:
        worker = _worker(folder, planned, Console(quiet), short_threads)
        chosen = worker.kept() if space is None or isinstance(space, str) else worker.fitted(space)
        made = Request.make(space=chosen, quantity=quantity, target=1.0, **wishes)
        made.check_memory()
        resource = worker.first_resource(made)
        largest = resource.of(chosen.architecture(chosen.largest))
        limits = read_budgets(budgets, {made.quantity: largest})
        made = made.model_copy(update={"target": limits[0].most if limits else largest})
        if supernet is not None and made.evaluate == "supernet" and isinstance(chosen, Space):
            BySupernet(worker.job, Path(supernet), chosen, made)  # raises where it is another's
    except BaseException:
        file.unlink()
        if is_new:
            folder.rmdir()
        raise
    if isinstance(resource, Predicted):
        resource.save(folder / TABLE)
    if supernet is not None:
        (folder / SUPERNET).symlink_to(Path(supernet).resolve())
    plain = worker.job.settings.model_dump(mode="json", exclude_none=True)
    study = f"search {folder.resolve().name} {uuid4().hex[:12]}"
    command = worker.job.header.provenance.command
    Search(request=made, settings=plain, storage=kept(storage), study=study, command=command).save(folder)
    worker.console.say(f"into {folder}; to go on or to help: {command_line('search --resume', folder)}")
    begun(folder)
    return worker.search(folder)


def resume_search(folder: str | Path, quiet: bool = False, threads: int | None = None) -> Searched:
    """Goes on with a search that was stopped or killed, or helps one that others are at.

    threads: of torch, while candidates are evaluated; None: all. Raises LeannetError for a folder of none.
    """
    path = Path(folder)
    begun = Search.load(path)
    settings = Settings.make(current_settings(begun.settings), str(path / Search.file))
    return _worker(path, settings, Console(quiet), threads).search(path)


def _worker(folder: Path, settings: Settings, console: Console, threads: int | None) -> Worker:
    """One for the search of a folder, which holds the network that it starts from."""
    if (folder / ORIGINAL).exists():
        return Worker(settings, console, threads, folder / ORIGINAL)
    return Worker(settings.model_copy(update={"model": str(folder / LARGEST)}), console, threads)
