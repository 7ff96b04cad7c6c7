"""What a pruning is asked to do, checked at once."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from leannet.errors import LeannetError
from leannet.rows import first_error
from leannet.rows.fields import Documented, Flag, Size
from leannet.shrink.budgets import Quantity, check_budgets
from leannet.shrink.choosing import Choice
from leannet.shrink.criteria import DAMAGE
from leannet.shrink.names import Criterion
from leannet.shrink.timing import Timing

Share = Annotated[float, Field(gt=0, lt=1)]
DEFAULT = "50%"  # of the mult-adds, where no budget is named


class Request(Documented):
    """A pruning, as it was asked for."""

    run: str
    """The checkpoint of the network that becomes smaller."""
    budgets: dict[Quantity, str] = Field(default_factory=dict)
    """What it may cost then: a share of what it costs now, as 50%, or a number with its unit."""
    ratio: Share | None = None
    """The share of all channels that goes."""
    blocks: Annotated[int, Field(strict=True, ge=0)] = 0
    """Residual blocks that go whole, first: those without which the loss on training images is lowest."""
    criterion: Criterion = "taylor"
    """What a channel's score is."""
    ranking: Literal["global", "per-row"] = "global"
    """Whether rows compete for channels, or all lose the same share."""
    rows: tuple[str, ...] = ()
    """Rows or layers that may become narrower; empty: all."""
    keep: tuple[str, ...] = ()
    """Rows or layers that stay as wide as they are."""
    round_to: Size = 8
    """Widths become multiples of it."""
    least: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The share of its channels that every layer keeps."""
    images: Annotated[int, Field(strict=True, ge=2)] = 1024
    """Training images for scores, and for batch norm's statistics."""
    rounds: Size = 1
    """Times that channels go and training follows, until the budget is met."""
    sensitivity: str | None = None
    """The curves of the network, as leannet sensitivity writes them, to be guided by."""
    plan: str | None = None
    """A plan to replay instead."""
    engine: str = "onnxruntime"
    """Of a budget of milliseconds."""
    precision: str = "float32"
    """Of a budget of milliseconds."""
    threads: Size = 1
    """Of a budget of milliseconds."""
    between: Size = 2
    """Epochs of training after each round but the last."""
    finetune: Flag = True
    """Whether it is trained afterwards."""

    @property
    def choice(self) -> Choice:
        """How channels are chosen."""
        return Choice(self.ranking, self.criterion in DAMAGE, self.round_to, self.least)

    @property
    def timing(self) -> Timing:
        """Where milliseconds are measured."""
        return Timing(self.engine, self.precision, self.threads)

    def changed(self, names: Iterable[str]) -> list[str]:
        """Those of the fields that are not as they are by themselves."""
        return [name for name in names if getattr(self, name) != type(self).model_fields[name].default]

    @classmethod
    def make(cls, **values: Any) -> "Request":
        """A request. Raises LeannetError for fields that are impossible, and for ones that exclude each other."""
        fields = {name: value for name, value in values.items() if value is not None}
        try:
            request = cls.model_validate(fields)
        except ValidationError as error:
            raise LeannetError(f"prune: {first_error(error)}") from None
        check_budgets(request.budgets)
        if request.plan is not None:
            decided = ("ratio", "blocks", "rows", "keep", "sensitivity", "ranking", "round_to", "least", "rounds")
            others = [*request.budgets, *request.changed(decided)]
            if others:
                raise LeannetError(f"--plan {request.plan}: a plan says all that goes: leave out {others[0]}")
        if request.sensitivity is not None and (request.rounds > 1 or request.ranking == "per-row" or request.blocks):
            raise LeannetError("--sensitivity: expected one round, all blocks and --ranking global: it measured those")
        if request.ratio is not None and request.budgets:
            raise LeannetError("--ratio and a budget: expected one of them")
        if request.ratio is None and not request.budgets and request.plan is None:
            request = request.model_copy(update={"budgets": {"macs": DEFAULT}})
        request.timing.check_names()
        if request.rounds == 1 and request.changed(["between"]):
            raise LeannetError(
                "--between: of one round nothing follows but the training itself: expected --rounds, or --epochs"
            )
        if "latency_ms" in request.budgets:
            request.timing.check()
        return request
