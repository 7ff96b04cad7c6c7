"""Training a checkpoint on: by the settings that trained it, on its own split."""

from pathlib import Path
from typing import Any

from leannet import launcher
from leannet.errors import LeannetError
from leannet.header import Header, read_header
from leannet.retired import current_settings
from leannet.run_files import CONFIG, MODEL
from leannet.training.job import AS_WEIGHTS, Job
from leannet.training.run import make_settings
from leannet.training.settings import Settings, read_toml
from leannet.training.skipping import HYBRID

EPOCHS = 20
# Settings of the run that trained the network, which hold for training it on; the first are of its data.
OF_DATA = ("data", "seed", "skip", "limit", "image_column", "label_column", "class_depth", "task", "color")
OF_TRAINING = (
    "batch_size", "optimizer", "schedule", "clip", "ema_decay", "label_smoothing", "class_weights", "sampling",
    "batch_statistics", "augment", "detecting", "skipping",
)  # fmt: skip
OF_SKIPPING = ("alpha", "cost", "rl_weight", "exit_weight")
SECTIONS = ("optimizer", "schedule", "augment")


def check_classes(job: Job, header: Header, file: Path) -> None:
    """Raises LeannetError where the images have other classes than a checkpoint."""
    if set(job.header.classes) != set(header.classes):
        raise LeannetError(
            f"{job.settings.data}: expected the classes of {file}, {', '.join(header.classes[:5])}, found "
            f"{', '.join(job.header.classes[:5])}: train the network on them first, train --weights {file}"
        )


def training_settings(file: Path, data: str | None, values: dict[str, Any]) -> Settings:
    """Of training a checkpoint on: those that trained it, where they hold, over which `values` win.

    Raises LeannetError for settings that the checkpoint decides, and under a launcher.
    """
    if launcher.world() > 1:
        raise LeannetError("networks are made smaller in one process: start it without a launcher")
    header = read_header(file)
    config, before = file.parent / CONFIG, {**header.provenance.reading, "color": header.preprocessing.color}
    before = {name: value for name, value in before.items() if name in OF_DATA}
    if config.exists() and file.name == MODEL:
        names = OF_DATA if "recipe" in values else (*OF_DATA, *OF_TRAINING)
        before |= {name: value for name, value in current_settings(read_toml(config)).items() if name in names}
    if "skipping" in before:  # its gates and exits are there, and learn on as they are used
        skipping = before["skipping"]
        before["skipping"] = {key: value for key, value in skipping.items() if key in OF_SKIPPING}
        if skipping.get("learning") == "hybrid":
            before["skipping"].setdefault("alpha", HYBRID)
    if "detecting" in before:  # its head is there
        before["detecting"] = {key: value for key, value in before["detecting"].items() if key == "matching"}
    if fixed := [name for name in ("model", "width", "resolution", "weights", "folds", "fold") if values.get(name)]:
        raise LeannetError(f"--{fixed[0]}: the network and its split are those of {file}: leave it out")
    if values.get("split", AS_WEIGHTS) != AS_WEIGHTS and header.split.sizes:
        raise LeannetError(
            f"--split {values['split']}: some images to validate on would be those that trained {file}, which says how "
            "its data was split: leave it out"
        )
    limit, seed = before.get("limit"), before.get("seed", 0)
    if limit and values.get("seed", seed) != seed:
        raise LeannetError(
            f"--seed {values['seed']}: {file} was trained with --limit {limit}, whose images seed {seed} drew: leave "
            "it out"
        )
    if values.get("optimizer", {}).get("name", (named := before.get("optimizer", {})).get("name")) != named.get("name"):
        before["optimizer"] = {}  # a rate of another optimizer says nothing
    for name in SECTIONS:
        if isinstance(values.get(name), dict):
            values = {**values, name: {**before.get(name, {}), **values[name]}}
    epochs = {} if "recipe" in values else {"epochs": EPOCHS}
    merged = {"split": AS_WEIGHTS} | epochs | before | values | {"weights": str(file)}
    where = data or merged.get("data") or header.provenance.data
    merged.pop("data", None)
    if not where:
        raise LeannetError(f"{file}: says nothing of the data it was trained on: name some")
    settings = make_settings(where, merged)
    if settings.model is not None:
        raise LeannetError(f"--recipe {settings.recipe}: it names a network, and this one is {file}: choose another")
    return settings
