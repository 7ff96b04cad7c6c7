"""leannet train: images in, a trained network out."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from leannet import launcher
from leannet.cli.options import ClassDepth, ImageColumn, Json, LabelColumn, Quiet
from leannet.cli.output import print_json
from leannet.errors import LeannetError

# flag -> where its value goes in the tree of settings
TREE = {
    "optimizer": ("optimizer", "name"),
    "lr": ("optimizer", "lr"),
    "weight_decay": ("optimizer", "weight_decay"),
    "momentum": ("optimizer", "momentum"),
    "schedule": ("schedule", "name"),
    "warmup": ("schedule", "warmup_epochs"),
    "step_epochs": ("schedule", "step_epochs"),
    "layer_decay": ("optimizer", "layer_decay"),
    "crop": ("augment", "crop"),
    "pad": ("augment", "pad"),
    "flip": ("augment", "flip"),
    "policy": ("augment", "policy"),
    "erase": ("augment", "erase"),
    "mixup": ("augment", "mixup"),
    "cutmix": ("augment", "cutmix"),
}


def command(
    data: Annotated[
        str | None, typer.Argument(help="A folder of class folders, Parquet, CSV, tar shards, 'digits'.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A zoo name or architecture JSON. Default: by image size.")] = None,
    width: Annotated[float | None, typer.Option(help="The family's own width multiplier. Default: 1.")] = None,
    resolution: Annotated[int | None, typer.Option(help="Pixels. Default: the family's own.")] = None,
    weights: Annotated[str | None, typer.Option(help="A run, a checkpoint, or timm's or torchvision's file.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder. Default: a new one under runs/.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run, or these folds, as begun; --cpu may be new.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings as TOML, as runs leave them; flags win.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Named settings, see leannet recipes; all else wins.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Times to go through the training images. Default: 30.")] = None,
    time: Annotated[
        str | None, typer.Option(help="90s, 30m, 1.5h: train so long; the schedule fits, epochs do not count.")
    ] = None,
    patience: Annotated[int | None, typer.Option(help="End after so many epochs without a better one.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step. Default: 32.")] = None,
    optimizer: Annotated[
        Literal["adamw", "adam", "sgd", "rmsprop"] | None, typer.Option(help="Default: adamw.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate. Default: the optimizer's usual one.")] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="On weights, never on norms. Default: by optimizer.")
    ] = None,
    momentum: Annotated[float | None, typer.Option(help="Of sgd and rmsprop. Default: 0.9.")] = None,
    schedule: Annotated[
        Literal["cosine", "linear", "step", "constant"] | None, typer.Option(help="Default: cosine.")
    ] = None,
    warmup: Annotated[float | None, typer.Option(help="Epochs of rising learning rate. Default: 1.")] = None,
    step_epochs: Annotated[float | None, typer.Option(help="Epochs between steps of the step schedule.")] = None,
    layer_decay: Annotated[float | None, typer.Option(help="Rate of each stage over that of the next.")] = None,
    freeze: Annotated[
        str | None, typer.Option(help="The last row that keeps its weights, or 'stem'. Needs --weights.")
    ] = None,
    clip: Annotated[float | None, typer.Option(help="The most the gradient's norm may be.")] = None,
    accumulate: Annotated[int | None, typer.Option(help="Parts that a batch is learned in.")] = None,
    average: Annotated[float | None, typer.Option(help="Decay of the weights' moving average, as 0.999.")] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="Default: 0.1.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Default: as the rows say.")] = None,
    class_weights: Annotated[Literal["none", "balanced"] | None, typer.Option(help="In the loss.")] = None,
    sampling: Annotated[
        Literal["plain", "balanced"] | None, typer.Option(help="balanced: every class as often as any other.")
    ] = None,
    normalization: Annotated[
        Literal["imagenet", "zscore"] | None, typer.Option(help="zscore: measured on the training split.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="80:20 or 60:20:20. Default: the data's own, or 80:20.")] = None,
    folds: Annotated[
        int | None, typer.Option(help="Cross-validate: so many runs, every image validates once.", min=2)
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Leave out images whose name matches. May be repeated.")
    ] = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    class_depth: ClassDepth = None,
    limit: Annotated[int | None, typer.Option(help="About so many images, each class in proportion.")] = None,
    resize: Annotated[Literal["crop", "squash", "letterbox"] | None, typer.Option(help="Default: crop.")] = None,
    color: Annotated[Literal["RGB", "L"] | None, typer.Option(help="L: one grey channel. Default: RGB.")] = None,
    crop: Annotated[float | None, typer.Option(help="Least share a random crop keeps; 0: none. Default: 0.35.")] = None,
    flip: Annotated[bool | None, typer.Option("--flip/--no-flip", help="Mirror training images. Default: yes.")] = None,
    pad: Annotated[int | None, typer.Option(help="Pixels around, of which a random window is kept.")] = None,
    policy: Annotated[
        Literal["none", "trivial", "rand"] | None, typer.Option(help="TrivialAugment, RandAugment.")
    ] = None,
    erase: Annotated[float | None, typer.Option(help="How often a rectangle becomes noise.")] = None,
    mixup: Annotated[float | None, typer.Option(help="Alpha of mixing two images.")] = None,
    cutmix: Annotated[float | None, typer.Option(help="Alpha of pasting a part of another.")] = None,
    batch_statistics: Annotated[
        Literal["auto", "running", "precise"] | None, typer.Option(help="Of batch norm. auto: precise in short epochs.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Default: 0.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that prepare images. Default: by the machine.")] = None,
    precision: Annotated[
        Literal["no", "bf16", "fp16", "fp64"] | None, typer.Option(help="bf16, fp16: mixed; fp64: for checks.")
    ] = None,
    sync_norm: Annotated[
        Literal["auto", "always", "never"] | None, typer.Option(help="Batch norm over all processes.")
    ] = None,
    cache: Annotated[
        bool | None, typer.Option("--cache/--no-cache", help="Keep decoded images in memory. Default: if they fit.")
    ] = None,
    compile: Annotated[bool | None, typer.Option("--compile", help="torch.compile the network, for GPUs.")] = None,
    cpu: Annotated[bool | None, typer.Option("--cpu", help="Leave a GPU alone.")] = None,
    tensorboard: Annotated[
        bool | None, typer.Option("--tensorboard", help="Write RUN/tensorboard too, which TensorBoard shows live.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on a folder of images.

    Example: leannet train photos/ --model mobilenet_v3_small --epochs 20
    """
    flags = dict(locals())
    if launcher.is_left_alone():
        launcher.start_the_others()
    launcher.end_with_launcher()
    for name in ("data", "out", "resume", "config", "json", "quiet", "folds"):
        flags.pop(name)
    if time is not None:
        from leannet.console import parse_time

        flags["time"] = parse_time(time)
    given = {name: value for name, value in flags.items() if value is not None and value != []}
    if resume is not None:
        given.pop("cpu", None)  # where it trains, not what
        given |= {"folds": folds} if folds is not None else {}
        extra = ", ".join(["DATA"] * (data is not None) + [f"--{name.replace('_', '-')}" for name in given])
        if extra or out or config:
            raise LeannetError(
                f"--resume goes on with a run as it was begun: leave out {extra or '--out and --config'}"
            )
    elif data is None and config is None:
        raise LeannetError("expected DATA: a folder of class folders, a Parquet or CSV file, or 'digits'")

    from leannet.reports import report
    from leannet.training import run as training
    from leannet.training.folds import are_folds, cross_validate, resume_folds
    from leannet.training.settings import Settings, read_toml

    if resume is not None:
        if are_folds(resume):
            _tell_folds(resume_folds(resume, quiet, bool(cpu)), json)
            return
        run = training.resume(resume, quiet, bool(cpu))
    else:
        values: dict[str, Any] = read_toml(config) if config else {}
        unknown = sorted(set(values) - set(Settings.model_fields))
        if unknown:
            raise LeannetError(f"{config}: field '{unknown[0]}': no setting has this name")
        for name, value in given.items():
            branch, leaf = TREE.get(name, (None, name))
            place = values.setdefault(branch, {}) if branch else values
            if not isinstance(place, dict):
                raise LeannetError(f"{config}: field '{branch}': expected a table, [{branch}], found {place!r}")
            place[leaf] = value
        where = data or values.get("data")
        if not where:
            raise LeannetError(f"{config}: names no data: give DATA")
        chosen = {key: values[key] for key in values if key != "data"}
        if folds is not None:
            if out is None:
                raise LeannetError("--folds makes a folder of runs: name it, --out runs/NAME")
            _tell_folds(cross_validate(str(where), folds, out, quiet, **chosen), json)
            return
        run = training.train(str(where), out, quiet, **chosen)
    if launcher.rank():  # of several processes the first one speaks
        return
    page = report(run.path)
    if json:
        print_json(run.to_dict() | {"report": str(page)})
    else:
        print_summary(run, page)
    if not run.finished:
        raise typer.Exit(130)


def _tell_folds(found: Any, json: bool) -> None:
    """The reports of all folds, and what they come to."""
    if launcher.rank():
        return
    from leannet.reports import report

    for run in found.runs:
        report(run.path)
    if json:
        print_json(found.to_dict())
    else:
        print(f"validation  {found.line()}")
        runs = f"{found.path}/fold-1" + (f" to fold-{len(found.runs)}" if len(found.runs) > 1 else "")
        print(f"runs        {runs}, each with its report; all predictions in predictions.csv")
    if len(found.finished) < found.wanted:
        if not json:
            where = "after" if len(found.finished) == len(found.runs) else "in"
            goes_on = f"to go on: leannet train --resume {found.path}"
            print(f"stopped {where} fold {len(found.runs)} of {found.wanted}; {goes_on}")
        raise typer.Exit(130)


def print_summary(run: Any, page: Path) -> None:
    """What was made, what it is worth, and what to try next."""
    best = run.header.metrics.epoch
    if run.validation:
        print(f"validation  {run.validation.line()}, epoch {best}")
    if run.test:
        print(f"test        {run.test.line()}, scored once")
    print(f"weights     {run.path / 'model.safetensors'}, all that predicting needs")
    print(f"report      {page}")
    if not run.finished:
        print(f"stopped early; to go on: leannet train --resume {run.path}")
    else:
        print(f"try next    leannet predict {run.path} IMAGE   ·   leannet count {run.path}")
