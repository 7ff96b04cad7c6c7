"""What every row has, and what every layer has."""

import abc
from typing import Any, ClassVar

from leannet.rows.description import Documentation
from leannet.rows.fields import Documented, Name, Shape


class RowBase(Documented, abc.ABC):
    """What every row has: a kind, a name, the rows it reads, and whose weights it uses."""

    kind: str
    """Which kind of row this is; it stands first in JSON."""
    name: Name
    """Unique name: letters, digits and underscores. Weights are stored under it."""
    inputs: tuple[Name, ...] = ()
    """Names of the rows it reads; empty: the row above. `input` is what the architecture reads."""
    shares: Name | None = None
    """A row above with the same fields and input widths, whose weights this row uses; null: weights of its own."""

    arity: ClassVar[int | tuple[int, int] | None] = 1  # how many inputs, or from and to how many; None: two or more

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__doc__ is not None:  # Python leaves docstrings out with -OO
            type.__setattr__(cls, "__doc__", Documentation(cls.__doc__))


class LayerBase(RowBase):
    """A row that stands for itself. Counting, building and exporting know every one."""

    @abc.abstractmethod
    def out_shape(self, *shapes: Shape) -> Shape:
        """The shape of the output, from those of the inputs. Raises RowError, which names the impossible field."""
