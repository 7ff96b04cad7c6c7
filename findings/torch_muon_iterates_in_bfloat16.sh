#!/usr/bin/env bash
# torch.optim.Muon computes in bfloat16 whatever the parameters are, and refuses the filters that it was published with.
#
# Expected: an optimizer works in the type of its parameters, float64 among them, and Muon, whose author's first records
# were a convolutional network's on CIFAR-10, takes convolution filters as matrices of one row a filter.
# Seen with torch 2.13.0 (CPU): parameters of four dimensions are a ValueError. Of matrices, the momentum is cast to
# bfloat16 before Newton and Schulz's iteration, without an option: of float64 parameters the update differs from the
# same iteration in float64 by 1 % of its norm. On a processor without bfloat16 units the step also takes four times as
# long as in float32 (the ratio is printed, not checked, as it depends on the processor).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
import time

import torch

print("torch", torch.__version__)
filters = torch.nn.Conv2d(16, 32, 3).weight
try:
    torch.optim.Muon([filters], lr=0.02)
    refused = False
except ValueError as error:
    refused = True
    print("filters:", error)


def iterated(matrix):
    """The same iteration in the matrix's own type."""
    x = matrix / matrix.norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


errors = []
for seed in range(5):
    torch.manual_seed(seed)
    gradient = torch.randn(96, 576, dtype=torch.float64)
    weight = torch.nn.Parameter(torch.zeros_like(gradient))
    weight.grad = gradient.clone()
    torch.optim.Muon([weight], lr=1.0, momentum=0.0, nesterov=False, weight_decay=0.0).step()
    true = -iterated(gradient)
    errors.append(float((weight.detach() - true).norm() / true.norm()))
print("float64 parameters, off by", [f"{error:.1e}" for error in errors])


def seconds(step):
    step()
    began = time.perf_counter()
    for _ in range(5):
        step()
    return (time.perf_counter() - began) / 5


weight = torch.nn.Parameter(torch.randn(320, 1280))
weight.grad = torch.randn_like(weight)
optimizer = torch.optim.Muon([weight], lr=1e-6)
ratio = seconds(optimizer.step) / seconds(lambda: iterated(weight.grad))
print(f"a step of a matrix of 320 x 1280 takes {ratio:.1f} times the iteration in float32 here")
sys.exit(0 if refused and all(2e-3 < error < 0.1 for error in errors) else "the behaviour has changed")
PY
