#!/usr/bin/env bash
# torch.load goes by a name's ending where that is .safetensors, and by content everywhere else.
#
# Expected: torch.load tells its formats apart by their first bytes, as it does for zip and legacy files, so what
# torch.save wrote under a name is read back from that name.
# Seen with torch 2.13.0: torch.save("weights.safetensors") writes its own zip file without a word, and torch.load of the
# same name hands it to the package safetensors, which takes the zip's first bytes for the length of a header and fails
# ("header too large"). The same bytes load as an opened file object, or under any other name. The other way round, a
# real safetensors file loads as torch.load("x.safetensors") and fails as torch.load("x.pth"). Callers that are to read
# by content must open the file themselves.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 safetensors==0.8.0 numpy
cd "$work"
"$work/venv/bin/python" - <<'PY'
import shutil
import sys

import torch
from safetensors.torch import save_file

print("torch", torch.__version__)
state = {"weight": torch.ones(2)}


def outcome(what):
    try:
        loaded = torch.load(what, weights_only=True)
        return "loads" if torch.equal(loaded["weight"], state["weight"]) else "differs"
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:90]}"


torch.save(state, "saved.safetensors")
shutil.copy("saved.safetensors", "saved.bin")
save_file(state, "real.safetensors")
shutil.copy("real.safetensors", "real.pth")
with open("saved.safetensors", "rb") as file:
    seen = {
        "torch.save, then torch.load, both 'saved.safetensors'": outcome("saved.safetensors"),
        "the same file, opened": outcome(file),
        "the same bytes as 'saved.bin'": outcome("saved.bin"),
        "safetensors as 'real.safetensors'": outcome("real.safetensors"),
        "the same bytes as 'real.pth'": outcome("real.pth"),
    }
for what, came in seen.items():
    print(f"{what}: {came}")
loads = [came == "loads" for came in seen.values()]
sys.exit(0 if loads == [False, True, True, True, False] else "the behaviour has changed")
PY
