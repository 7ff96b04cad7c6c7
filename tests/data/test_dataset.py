"""A list of images: kept, left out, numbered anew."""

import numpy as np
import pytest

from leannet.data.dataset import Dataset, LeftOut, grouped_by_reason
from leannet.errors import LeannetError


def images() -> Dataset:
    names, labels = ("a", "b", "c"), np.array([0, 1, 2])
    return Dataset("drawn", "here", ("1", "10", "2"), names, labels, (None,) * 3, lambda index: names[index].encode())


def test_numbers_of_classes_are_those_of_the_network() -> None:
    """Old runs have the order of text (1, 10, 2), new data that of numbers: resuming learns the same labels."""
    renumbered = images().numbered_as(("10", "2", "0", "1"), "the run")
    assert renumbered.labels.tolist() == [3, 0, 1]
    assert renumbered.numbered_as(("1", "10", "2", "0"), "the run").labels.tolist() == [0, 1, 2]
    with pytest.raises(LeannetError, match=r"expected the classes of the run \(10, 2\), found a class '1'"):
        images().numbered_as(("10", "2"), "the run")


def test_some_are_kept_with_all_that_belongs_to_them() -> None:
    some = images().without(["b*"])
    assert (some.names, some.labels.tolist(), some.reader(1)) == (("a", "c"), [0, 2], b"c")


def test_what_is_left_out_is_said_by_kind() -> None:
    kinds = [
        LeftOut("file", "of no use", ("x",)),
        LeftOut("link", "to nothing", ()),
        LeftOut("file", "of no use", ("y",)),
    ]
    (useless,) = grouped_by_reason(kinds)
    assert useless.line() == "left out: 2 files of no use: x, y"
    many = LeftOut("image", "in another format", tuple("abcde"), "convert them")
    assert many.line() == "left out: 5 images in another format: a, b, c and 2 more; convert them"
