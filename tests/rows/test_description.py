"""Every field says what it means, and what is said of it is what the class does."""

import inspect
import json
import random
import subprocess
import sys
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from leannet.errors import LeannetError
from leannet.rows import KINDS, Architecture, BlockBase, Input, LayerBase, Norm, RowBase, Shape, describe
from leannet.rows.blocks import BLOCKS
from leannet.rows.description import describe_fields, described
from leannet.rows.layers import LAYERS
from leannet.zoo import FAMILIES, architecture
from leannet.zoo.examples import example

MODELS = [RowBase, LayerBase, BlockBase, Norm, Input, Architecture, *LAYERS, *BLOCKS]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_says_what_it_means(model: type[BaseModel]) -> None:
    texts = [field.description or "" for field in described(model).values()]
    assert all(text.endswith(".") and text[0].isupper() for text in texts), texts
    documentation = inspect.getdoc(model) or ""
    if issubclass(model, RowBase) and model is not RowBase:
        for name in model.model_fields:
            assert name == "kind" or f"\n    {name} (" in documentation


def test_nothing_is_read_before_somebody_asks() -> None:
    """Every verb imports the rows: reading their source, or asyncio, would make it wait."""
    code = (
        "import sys, leannet.files, leannet.rows\n"
        "fields = [row.model_fields['name'] for row in leannet.rows.KINDS.values()]\n"
        "print(sum(field.description is not None for field in fields), 'asyncio' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.split() == ["0", "False"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_a_line_of_its_own(kind: str) -> None:
    description = describe(kind)
    assert 20 <= len(description.summary) <= 58  # so that the list of all fits 80 columns
    assert description.is_block == issubclass(KINDS[kind], BlockBase)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_of_a_field_is_so(kind: str) -> None:
    """Without a required field a row is refused; a default that is given is no change; a bad value is refused."""
    sample = example(kind)
    assert sample is not None
    fields = dict(sample.json)
    row = KINDS[kind](**fields)
    for field in describe(kind).fields:
        owner, _, inner = field.name.rpartition(".")
        if inner and owner:
            continue  # of a norm: below
        if field.required:
            without = {key: value for key, value in fields.items() if key != field.name}
            with pytest.raises(ValidationError):
                KINDS[kind](**without)
        elif field.name not in fields:
            assert KINDS[kind](**fields, **{field.name: field.default}) == row
        with pytest.raises(ValidationError):
            KINDS[kind](**{**fields, field.name: {"no": "value"}})
    assert {field.name: field.default for field in describe_fields(Norm)} == Norm().model_dump(exclude={"kind"})


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_is_a_row_of_the_network_that_it_names(kind: str) -> None:
    row = example(kind)
    assert row is not None
    assert json.loads(json.dumps(row.json))["kind"] == kind
    if not row.source:
        assert kind in {"flatten", "upsample", "largest", "highway_gate", "top_boxes"}  # no network of the zoo has one
        return
    network, path = row.source.split(", row ")
    layers = [layer for layer in architecture(network).layers if f"{layer.path}.".startswith(f"{path}.")]
    assert layers[0].in_shapes[0] in row.in_shapes
    if row.inside:
        assert row.inside[-1][3] == str(layers[-1].out_shape)
        assert [line[0] for line in row.inside] == list(
            dict.fromkeys(layer.path[len(path) + 1 :].split(".")[0] for layer in layers)
        )


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(LeannetError, match="no kind of row is called 'convolution' here; nearest: conv"):
        describe("convolution")


def test_printing_shows_a_row_a_line_and_repr_is_short() -> None:
    for name in FAMILIES:
        network = architecture(name)
        lines = str(network).splitlines()
        assert len(lines) == len(network.rows) + 2
        for line, row in zip(lines[2:], network.rows, strict=True):
            assert line.split()[:2] == [row.name, row.kind]
            assert line.endswith(str(network.shapes[row.name]))
        assert "\n" not in repr(network)
        assert len(repr(network)) < 160


def test_a_notebook_shows_a_table() -> None:
    network = architecture("mobilenet_v2")
    lines = network._repr_markdown_().splitlines()
    assert len(lines) == len(network.rows) + 2
    assert lines[3].count("|") == 5
    assert "out\\_channels 16" in lines[3]


# Errors


def _broken(*rows: dict[str, Any], **others: Any) -> str:
    data = {"name": "broken", "input": {"channels": 3, "height": 8, "width": 8}, "rows": list(rows), **others}
    with pytest.raises(LeannetError) as error:
        Architecture.from_dict(data, "file.json")
    return str(error.value)


def test_a_misspelt_field_names_the_nearest_and_lists_all() -> None:
    message = _broken({"kind": "conv", "name": "a", "out_channels": 8, "strid": 2})
    assert message == (
        "file.json: row 'a' (1 of 1), field 'strid': no such field; nearest: stride; there are: kind, name, inputs, "
        "shares, out_channels, kernel, kernel_width, stride, padding, groups, bias, norm, activation"
    )
    nested = _broken({"kind": "conv", "name": "a", "out_channels": 8, "norm": {"epsilon": 1}})
    assert "field 'norm.epsilon': no such field; nearest: eps; there are: kind, eps, momentum" in nested
    assert "nearest: outputs; there are: format_version, name, input, rows, outputs" in _broken(
        {"kind": "flatten", "name": "a"}, output=["a"]
    )


def test_all_errors_are_told_at_once_in_one_line() -> None:
    message = _broken(
        {"kind": "conv", "name": "a", "out_channel": 8},
        {"kind": "conv", "name": "b", "out_channels": 0, "padding": "none", "kernel": 2.5},
        {"kind": "cnv", "name": "c"},
        {"name": "d"},
        "flatten",
        title="x",
    )
    assert message.startswith("file.json: 9 errors: (1) ")
    assert "\n" not in message
    for words in (
        "row 'a' (1 of 5), field 'out_channel': no such field; nearest: out_channels",
        "row 'a' (1 of 5), field 'out_channels': missing, and it has no default",
        "row 'b' (2 of 5), field 'out_channels': Input should be greater than or equal to 1, found 0",
        "row 'b' (2 of 5), field 'padding': Input should be 'symmetric', 'same' or 'valid' or a valid integer, "
        "found 'none'",
        "row 'b' (2 of 5), field 'kernel': Input should be a valid integer",
        "row 'c' (3 of 5), field 'kind': no kind of row is called 'cnv' here; nearest: conv",
        "row 'd' (4 of 5), field 'kind': expected one of the kinds that leannet rows lists",
        "row '?' (5 of 5), expected an object with kind and name, found 'flatten'",
        "field 'title': no such field",
    ):
        assert words in message, words


def test_rows_that_do_not_fit_are_told_together_and_what_follows_from_them_is_not() -> None:
    message = _broken(
        {"kind": "conv", "name": "a", "out_channels": 8, "stride": 9},
        {"kind": "conv", "name": "follows", "out_channels": 8, "groups": 3},
        {"kind": "conv", "name": "b", "out_channels": 8, "groups": 2, "inputs": ["input"]},
        {"kind": "inverted_residual", "name": "c", "out_channels": 8, "residual": True, "inputs": ["input"]},
        {"kind": "add", "name": "d", "inputs": ["a", "missing"]},
    )
    assert message.startswith("file.json: 4 errors: (1) row 'a' (1 of 5), field 'stride'")
    assert "(2) row 'b' (3 of 5), field 'groups'" in message
    assert "(3) row 'c' (4 of 5), field 'residual'" in message
    assert "(4) row 'd' (5 of 5), field 'inputs': no row above is named 'missing'" in message
    assert "follows" not in message


def test_many_errors_are_counted() -> None:
    rows = [{"kind": "conv", "name": f"a{number}", "out_channels": 0} for number in range(30)]
    message = _broken(*rows)
    assert message.startswith("file.json: 30 errors: (1) ")
    assert message.endswith("; and 20 more")


def test_every_misspelling_of_every_field_is_found() -> None:
    """One letter is left out of a field's name: the right name is what is offered."""
    draw = random.Random(0)
    for kind in KINDS:
        row = example(kind)
        assert row is not None
        for field in KINDS[kind].model_fields:
            if len(field) < 4 or field == "kind":
                continue
            place = draw.randrange(1, len(field) - 1)
            wrong = field[:place] + field[place + 1 :]
            if wrong not in KINDS[kind].model_fields:
                assert f"field '{wrong}': no such field; nearest: {field};" in _broken({**row.json, wrong: 1})


def test_shapes_are_said_as_height_width_channels() -> None:
    assert str(Shape(3, 8, 9)) == "8 x 9 x 3"
