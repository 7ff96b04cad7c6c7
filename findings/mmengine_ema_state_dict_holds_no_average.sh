#!/usr/bin/env bash
# In a checkpoint of MMEngine's EMAHook, `ema_state_dict` does not hold the moving average.
#
# Expected: `state_dict` is the network as it was trained last, `ema_state_dict` its moving average, as the same two words
# mean in timm's (`state_dict_ema`) and torchvision's (`model_ema`) checkpoints; so a reader that prefers averages takes
# `ema_state_dict`.
# Seen with mmengine-lite 0.10.7: the hook swaps the two when it saves. `state_dict` holds the average, so that
# whoever knows nothing of it deploys the average, and `ema_state_dict`, under keys that begin with `module.` as an
# averaged model's do, holds the last weights. Beside them stands nothing that says so. A reader that takes
# `ema_state_dict` first gets the raw weights, with every key in place.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 mmengine-lite==0.10.7 matplotlib==3.11.2 \
    opencv-python-headless==5.0.0.93 setuptools==80.9.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

import mmengine
import torch
from mmengine.hooks import EMAHook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn


class Linear(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, inputs, labels=None, mode="tensor"):
        outputs = self.layer(inputs)
        return {"loss": nn.functional.cross_entropy(outputs, labels)} if mode == "loss" else outputs


torch.manual_seed(0)
loader = torch.utils.data.DataLoader([(torch.randn(3), torch.tensor(i % 2)) for i in range(16)], 4)
model, hook = Linear(), EMAHook(momentum=0.1)
Runner(
    model=model,
    work_dir="out",
    train_dataloader=loader,
    optim_wrapper={"optimizer": {"type": "SGD", "lr": 1.0}},
    train_cfg={"by_epoch": True, "max_epochs": 2},
    custom_hooks=[hook],
    default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}},
    log_level="ERROR",
).train()
# weights_only=False: the file was written a moment ago, and holds MMEngine's own buffers.
saved = torch.load("out/epoch_2.pth", weights_only=False)
last, average = model.layer.weight, hook.ema_model.module.layer.weight


def which(weight):
    names = [name for name, other in (("the last weights", last), ("the average", average)) if torch.equal(weight, other)]
    return " and ".join(names) or "neither"


print("mmengine", mmengine.__version__, "torch", torch.__version__)
print("keys:", ", ".join(saved))
seen = which(saved["state_dict"]["layer.weight"]), which(saved["ema_state_dict"]["module.layer.weight"])
print("state_dict:", seen[0])
print("ema_state_dict:", seen[1])
sys.exit(0 if seen == ("the average", "the last weights") else "the behaviour has changed")
PY
