"""The groups of settings: optimizer, schedule, and what a run learns beside or instead of classes."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from leannet.detect.rules import Rule
from leannet.rows.fields import Documented, Width
from leannet.rows.gating import GateKind

WARMUP_SHARE = 0.05  # of a run with a time limit

Share = Annotated[float, Field(ge=0, le=1)]


class Section(Documented):
    """A group of settings. Flags, help, TOML keys and docs are generated from its fields and their docstrings."""


class Optimizer(Section):
    """The optimizer and its rates."""

    name: Literal["adamw", "adam", "sgd", "rmsprop", "muon"] | None = None
    """The optimizer. muon: for the filters of hidden layers, and adamw for all else; learns most in few epochs.
    Default: muon with --time and fresh weights, else adamw."""
    lr: Annotated[float, Field(gt=0)] | None = None
    """Peak learning rate. Default: adamw and adam 0.002, muon 0.004, sgd 0.05, rmsprop 0.001 at a batch of 32, scaled
    with the batch."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """On weights, never on biases and normalization; decoupled from the rate for adamw and muon. Default: adamw and
    muon 0.05, adam and sgd 1e-4, rmsprop 1e-5."""
    momentum: Share = 0.9
    """Of sgd, rmsprop and muon."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Learning rate of each stage over that of the next one: below 1, early stages learn more slowly."""

    def rate(self, batch_size: int) -> float:
        """The peak rate. The default grows with the square root of the batch, for SGD and RMSprop linearly."""
        if self.lr is not None:
            return self.lr
        name = self.name or "adamw"
        default: float = {"adamw": 2e-3, "adam": 2e-3, "muon": 4e-3, "sgd": 0.05, "rmsprop": 1e-3}[name]
        power = 0.5 if name in {"adamw", "adam", "muon"} else 1.0
        return default * float((batch_size / 32) ** power)

    def decay(self) -> float:
        """The weight decay."""
        defaults = {"adamw": 0.05, "muon": 0.05, "adam": 1e-4, "sgd": 1e-4, "rmsprop": 1e-5}
        return defaults[self.name or "adamw"] if self.weight_decay is None else self.weight_decay


class Distillation(Section):
    """What a teacher teaches: a network that has been trained (Hinton et al., arXiv 1503.02531)."""

    teacher: str | None = None
    """A run or a checkpoint of the same classes, from whose answers to learn beside the labels."""
    share: Annotated[Share, Field(json_schema_extra={"flag": "teacher-share"})] = 0.9
    """What of the loss is the difference from the teacher's answers; 1: labels are not looked at."""
    temperature: Annotated[float, Field(gt=0)] = 4.0
    """Divides the logits of both: above 1, what the teacher says of the other classes counts more."""
    features: Annotated[float, Field(ge=0, json_schema_extra={"flag": "teacher-features"})] = 0.0
    """Weight of the difference of where in the image the feature maps of both are large (attention transfer, arXiv
    1612.03928), the deepest map of each size; usual: 10."""


class Skipping(Section):
    """Blocks that images can skip, and how gates learn which (SkipNet, arXiv 1711.09485)."""

    gate: Annotated[GateKind | None, Field(json_schema_extra={"flag": "gate"})] = None
    """Gives each block with a shortcut but the first block a gate: recurrent (one memory for all), feedforward
    (FFGate-I), feedforward-light (FFGate-II), or highway, which mixes and never skips."""
    group: Annotated[Annotated[int, Field(ge=1)], Field(json_schema_extra={"flag": "gate-group"})] = 1
    """How many blocks of a stage, at most, a gate decides for."""
    learning: Annotated[
        Literal["supervised", "noisy", "soft", "hybrid"] | None, Field(json_schema_extra={"flag": "gate-learning"})
    ] = None
    """How gates learn: supervised (hard decisions with the score's gradient), noisy (the same of decisions that are
    drawn, so that scores move away from the threshold), soft (the score itself is the share of the block), hybrid
    (decisions are drawn, and learn by what they save, from such a run: --weights). Default: supervised."""
    alpha: Annotated[Annotated[float, Field(ge=0)] | None, Field(json_schema_extra={"flag": "alpha"})] = None
    """What running every block costs, in units of the cross-entropy. Default: 0.1 with hybrid learning, else 0."""
    cost: Annotated[Literal["macs", "blocks"], Field(json_schema_extra={"flag": "gate-cost"})] = "macs"
    """What a block costs: its mult-adds, or as much as any other."""
    temperature: Annotated[
        Annotated[float, Field(gt=0, le=1)], Field(json_schema_extra={"flag": "gate-temperature"})
    ] = 1.0
    """Where hybrid learning begins from gates that decided hard, divides the logits of their scores: 0.1 makes what is
    drawn nearly what they decide."""
    rl_weight: Annotated[Annotated[float, Field(gt=0)], Field(json_schema_extra={"flag": "rl-weight"})] = 0.01
    """With hybrid learning, the weight of the gradient of what was drawn."""
    exits: Annotated[Annotated[int, Field(ge=0)], Field(json_schema_extra={"flag": "exits"})] = 0
    """Early exits, at about equal steps of mult-adds, at which images leave whose class is sure enough: leannet exits
    then chooses how sure."""
    exit_weight: Annotated[Annotated[float, Field(ge=0)], Field(json_schema_extra={"flag": "exit-weight"})] = 0.5
    """What an exit's loss counts beside that of the last row."""


class Sparsity(Section):
    """Weights that become zero while a network trains, by their magnitude, and stay so."""

    amount: Annotated[Annotated[float, Field(ge=0, lt=1)] | None, Field(json_schema_extra={"flag": "sparsity"})] = None
    """The share of the weights that becomes zero; not of depthwise filters, and not of those that read the image."""
    level: Annotated[
        Literal["element", "row", "column", "kernel", "2:4"], Field(json_schema_extra={"flag": "sparsity-level"})
    ] = "element"
    """What becomes zero together: a weight, a row, a column or all of a kernel; 2:4: two of every four channels."""
    scope: Annotated[Literal["global", "layer"], Field(json_schema_extra={"flag": "sparsity-scope"})] = "global"
    """Whether layers compete, or each has the same share of zeros."""
    schedule: Annotated[
        Literal["cubic", "one-shot", "fixed"], Field(json_schema_extra={"flag": "sparsity-schedule"})
    ] = "cubic"
    """cubic: gradually, most at first (Zhu and Gupta, arXiv 1710.01878); one-shot: at once; fixed: the zeros that the
    weights have stay, and no more come."""
    end: Annotated[float, Field(gt=0, le=1, json_schema_extra={"flag": "sparsity-end"})] = 0.7
    """Of cubic: the share of the run after which no more become zero."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.schedule == "fixed" and self.amount is not None:
            raise ValueError("expected no amount with a fixed schedule, whose zeros are those of the weights")
        if self.schedule == "one-shot" and self.amount is None and self.level != "2:4":
            raise ValueError("expected an amount, --sparsity, with the schedule one-shot")
        return self

    @property
    def is_used(self) -> bool:
        """Whether any weight is held at zero."""
        return self.amount is not None or self.level == "2:4" or self.schedule == "fixed"

    def target(self, share: float) -> float | None:
        """The share of zeros when a share of the run is done; None: those that there are."""
        if self.schedule == "fixed":
            return None
        amount = 0.5 if self.amount is None else self.amount
        if self.schedule == "one-shot":
            return amount
        return amount * (1 - (1 - min(share / self.end, 1)) ** 3)


class Schedule(Section):
    """The learning rate over a run: linear warm-up, then a half cosine, a linear decay, steps, or a constant."""

    name: Literal["cosine", "linear", "step", "constant"] = "cosine"
    """The learning rate after warm-up."""
    warmup_epochs: Annotated[float, Field(ge=0, json_schema_extra={"flag": "warmup"})] = 1.0
    """Epochs of linearly rising learning rate."""
    step_epochs: Annotated[float, Field(gt=0)] = 30.0
    """Of the step schedule: epochs between steps."""
    step_factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Of the step schedule: learning rate after a step over that before."""
    end_factor: Share = 0.01
    """Of cosine and linear: last learning rate over the peak."""

    def factor(self, epoch: float, epochs: int, share: float | None = None) -> float:
        """The rate divided by its peak after `epoch` epochs, which may be fractional.

        share: in a run with a time limit, the share of it that is done; its warm-up, if any, is the first twentieth.
        Steps are counted in epochs either way.
        """
        warmup = min(self.warmup_epochs, epochs / 2)
        if share is not None:
            warmup = WARMUP_SHARE * epochs if self.warmup_epochs else 0.0
            done = share * epochs
        else:
            done = epoch
        if done < warmup:
            return max(done / warmup, 1e-3)
        if self.name == "step":
            return self.step_factor ** ((epoch - (warmup if share is None else 0)) // self.step_epochs)
        if self.name == "constant":
            return 1.0
        progress = min((done - warmup) / max(epochs - warmup, 1e-9), 1)
        remaining = (1 + math.cos(math.pi * progress)) / 2 if self.name == "cosine" else 1 - progress
        return self.end_factor + (1 - self.end_factor) * remaining


class Detecting(Section):
    """Of a detection set: the head that finds boxes, and what it learns from (OneNet, arXiv 2012.05780)."""

    levels: Annotated[tuple[int, ...], Field(json_schema_extra={"flag": "levels"})] = ()
    """Strides of the maps that boxes are found in, of a backbone that has no head yet. Repeat. Default: 8, and 4
    with neck deconv."""
    taps: Annotated[tuple[str, ...], Field(json_schema_extra={"flag": "taps"})] = ()
    """Rows of the backbone whose maps such a head reads. Repeat. Default: the last of each stride."""
    neck: Annotated[Literal["pyramid", "deconv"], Field(json_schema_extra={"flag": "neck"})] = "pyramid"
    """How the maps of such a head are made: the backbone's added in a pyramid, or its deepest enlarged by transposed
    convolutions, as CenterNet has it.
    """
    head_channels: Annotated[Width | None, Field(json_schema_extra={"flag": "head-channels"})] = None
    """Channels of such a head. Default: 48."""
    matching: Annotated[Rule, Field(json_schema_extra={"flag": "matching"})] = "minimum"
    """Which place answers for an object: the one of minimum cost (class, sides and overlap together), hungarian (the
    same, no place for two objects), or by where it lies alone, which needs NMS after: box_iou, point, point_in_scale.
    """
