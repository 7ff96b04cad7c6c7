#!/usr/bin/env bash
# pydantic 2.14.3: a tuple with items that are all wrong is also called too short; a list or a frozenset is not.
#
# A field "at least one item" is given two items, each of the wrong type. Expected: an error for each item and nothing
# else, whatever the container, because two items are not fewer than one.
# Seen: for list[int] and frozenset[int] the two errors; for tuple[int, ...] a third one, too_short: "Tuple should have
# at least 1 item after validation, not 0". The length of a tuple is checked on the items that are left when the wrong
# ones are dropped, and it is checked although there are errors already. With one right item among them the third error
# is gone. A program that shows all errors of a file so tells its user of an empty list that is not empty.
# What helps: leave min_length out and check the length in a model validator, which runs after all items are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pydantic==2.14.3
cat > try.py <<'PYTHON'
from typing import Annotated

import pydantic
from pydantic import Field, TypeAdapter, ValidationError


def errors(container, items):
    try:
        TypeAdapter(Annotated[container, Field(min_length=1)]).validate_python(items)
    except ValidationError as error:
        return [(detail["type"], detail["loc"]) for detail in error.errors()]
    return []


print("pydantic", pydantic.VERSION)
wrong = [("int_parsing", (0,)), ("int_parsing", (1,))]
seen = {str(each): errors(each, ["a", "b"]) for each in (list[int], frozenset[int], tuple[int, ...])}
for name, found in seen.items():
    print(f"{name:18}", found)
print("tuple, one right  ", errors(tuple[int, ...], ["a", 2]))
assert seen["list[int]"] == wrong
assert seen["frozenset[int]"] == wrong
assert seen["tuple[int, ...]"] == [*wrong, ("too_short", ())]
assert errors(tuple[int, ...], ["a", 2]) == wrong[:1]
PYTHON
env/bin/python try.py
