#!/usr/bin/env bash
# Fused optimizers on a CPU give wrong weights, without a word, where the layouts of weight, gradient and state differ.
#
# Expected: `fused=True` is an implementation, so AdamW(fused=True) makes the steps of AdamW to rounding, whatever the
# strides of the tensors are, or refuses them. Convolution weights of a network in channels last have other strides than
# the state that is read from a file of plain arrays (safetensors refuses strided tensors; `.contiguous()` is its own
# advice), and than a gradient that somebody made with zeros(shape).
# Seen with torch 2.13.0 (CPU), Adam, AdamW, SGD and Adagrad alike: the fused loops walk through the memory of each tensor,
# so that a weight in channels last is moved by the gradient and the moments of another weight. After two steps of at
# most 0.1 weights are up to 0.4 from where the same optimizer without fused=True puts them. A resumed run goes on from
# shuffled moments, and its loss hides it. torch.save keeps strides, so only other formats meet it. Copying
# what is restored into torch.empty_like(weight) keeps the layouts equal.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

import torch

print("torch", torch.__version__)
KINDS = {
    "AdamW": (torch.optim.AdamW, {}),
    "Adam": (torch.optim.Adam, {}),
    "SGD": (torch.optim.SGD, {"momentum": 0.9}),
    "Adagrad": (torch.optim.Adagrad, {}),
}


def weights(kind, options, fused, gradient_layout, state_layout):
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4, 3, 3, 3).contiguous(memory_format=torch.channels_last))
    optimizer = kind([weight], lr=0.1, fused=fused, **options)
    for number in range(2):
        weight.grad = torch.randn(4, 3, 3, 3).contiguous(memory_format=gradient_layout)
        optimizer.step()
        if number == 0:  # as a checkpoint of plain arrays is restored
            saved = optimizer.state_dict()
            for values in saved["state"].values():
                for name, value in values.items():
                    if torch.is_tensor(value) and value.ndim == 4:
                        values[name] = value.contiguous(memory_format=state_layout)
            optimizer.load_state_dict(saved)
    return weight.detach()


last, plain = torch.channels_last, torch.contiguous_format
seen = True
for name, (kind, options) in KINDS.items():
    for what, layouts in {"gradient": (plain, last), "state": (last, plain)}.items():
        true = weights(kind, options, False, last, last)
        off = {fused: float((weights(kind, options, fused, *layouts) - true).abs().max()) for fused in (False, True)}
        same = float((weights(kind, options, True, last, last) - true).abs().max())
        print(f"{name}, {what} in the plain layout: off by {off[False]:.0e}, fused by {off[True]:.2f}")
        seen = seen and off[False] < 1e-6 and same < 1e-6 and off[True] > 0.01
sys.exit(0 if seen else "the behaviour has changed")
PY
