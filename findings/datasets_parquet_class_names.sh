#!/usr/bin/env bash
# Hugging Face datasets 5.2.0: Parquet files of one data set that number their classes differently get wrong labels.
#
# Each file was written by Dataset.to_parquet and carries its own class names (ClassLabel) in its schema; the label of a
# row is a number that only these names explain. Expected: load_dataset("parquet", ...) maps the numbers by name, or
# refuses the second file, as concatenate_datasets does with the same two.
# Seen: it takes the class names of the first file for all files and keeps the numbers of the others. Half of the labels
# are swapped, within a split and between train and test, without a warning.
# What helps: read the class names of each file's own schema, and match them by name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1
cat > try.py <<'PYTHON'
import datasets
from datasets import ClassLabel, Dataset, Features, Value, concatenate_datasets, load_dataset

datasets.disable_progress_bars()
for file, names in (("a", ["cat", "dog"]), ("b", ["dog", "cat"])):
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    Dataset.from_dict({"text": ["cat", "dog"], "label": ["cat", "dog"]}, features=features).to_parquet(f"{file}.parquet")


def pairs(data):
    return [(row["text"], data.features["label"].int2str(row["label"])) for row in data]


one = load_dataset("parquet", data_files=["a.parquet", "b.parquet"], split="train", cache_dir="one")
two = load_dataset("parquet", data_files={"train": "a.parquet", "test": "b.parquet"}, cache_dir="two")
parts = [load_dataset("parquet", data_files=f"{f}.parquet", split="train", cache_dir=f) for f in "ab"]
try:
    concatenate_datasets(parts)
    refused = False
except ValueError:
    refused = True
print("datasets", datasets.__version__)
print("one split of two files (text, label):", pairs(one))
print("test split in a file of its own:      ", pairs(two["test"]))
print("each file alone:                      ", [pairs(part) for part in parts])
print("concatenate_datasets refuses them:    ", refused)
right = [("cat", "cat"), ("dog", "dog")]
swapped = [("cat", "dog"), ("dog", "cat")]
assert [pairs(part) for part in parts] == [right, right]
assert pairs(one) == right + swapped
assert pairs(two["test"]) == swapped
assert refused
PYTHON
HF_HUB_OFFLINE=1 env/bin/python try.py
