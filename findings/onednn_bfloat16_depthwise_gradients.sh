#!/usr/bin/env bash
# Mixed precision trains MobileNets slower than float32 on a CPU that multiplies bfloat16: two depthwise gradients.
#
# Expected: half the bytes to move and twice the products an instruction make bfloat16 faster, or no slower, everywhere.
# Seen with torch 2.13.0 (CPU) and the oneDNN in it, on an AMD EPYC with AVX-512 BF16, one thread: a pointwise
# convolution takes half of float32's time, forward and backward, and so does a depthwise one of stride 1. But of a
# depthwise convolution of stride 2 the gradient of the input takes 19 times float32's (144 channels, 40 px: 84 ms for
# 4.4) and 139 times (576 channels, 10 px: 73 ms for 0.5), and of one of 5 x 5 the gradient of the filters 4 times.
# MobileNetV2 has four such strides, of which each costs what dozens of other layers do. The same gradient as a
# convolution of stride 1, of the output's gradient with noughts between its values and turned filters, is exact to
# rounding and took 4.7 ms for 88.
# On a processor without bfloat16 instructions this script measures something else, and says so.
set -euo pipefail
grep -q -m1 -E "avx512_bf16|amx_bf16" /proc/cpuinfo || { echo "no bfloat16 instructions here: nothing to see"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 numpy
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
import time
from statistics import median

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
print("torch", torch.__version__)
LAST = {"memory_format": torch.channels_last}


def milliseconds(call):
    times = []
    for _ in range(7):
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    return median(times[2:])


def gradients(dtype, channels, out, pixels, side, stride, groups, which):
    x = torch.randn(32, channels, pixels, pixels).to(dtype).contiguous(**LAST)
    w = torch.randn(out, channels // groups, side, side).to(dtype)
    pad = side // 2
    g = torch.randn_like(F.conv2d(x, w, None, stride, pad, 1, groups))
    call = torch.ops.aten.convolution_backward
    of = call, (g, x, w, None, (stride,) * 2, (pad,) * 2, (1, 1), False, (0, 0), groups, (*which, False))
    return milliseconds(lambda: of[0](*of[1])), of, (x, w, g)


INPUT, FILTERS = (True, False), (False, True)
CASES = {
    "pointwise, 96 to 24 channels, 40 px: of the input": (96, 24, 40, 1, 1, 1, INPUT),
    "depthwise 3 x 3, 144 channels, 40 px, stride 1: of the input": (144, 144, 40, 3, 1, 144, INPUT),
    "depthwise 3 x 3, 144 channels, 40 px, stride 2: of the input": (144, 144, 40, 3, 2, 144, INPUT),
    "depthwise 3 x 3, 576 channels, 10 px, stride 2: of the input": (576, 576, 10, 3, 2, 576, INPUT),
    "depthwise 5 x 5, 576 channels, 5 px, stride 1: of the filters": (576, 576, 5, 5, 1, 576, FILTERS),
}
ratios = {}
for name, case in CASES.items():
    plain, half = (gradients(dtype, *case)[0] for dtype in (torch.float32, torch.bfloat16))
    ratios[name] = half / plain
    print(f"{name}: float32 {plain:.2f} ms, bfloat16 {half:.2f} ms, {half / plain:.2f} times")


def another_way(x, w, g):
    spread = torch.zeros_like(x)
    spread[:, :, ::2, ::2] = g
    return F.conv2d(spread, w.flip((2, 3)), None, 1, 1, 1, len(w))


slow, (call, words), tensors = gradients(torch.bfloat16, *CASES["depthwise 3 x 3, 144 channels, 40 px, stride 2: of the input"])
fast = milliseconds(lambda: another_way(*tensors))
same = float((call(*words)[0].float() - another_way(*tensors).float()).abs().max())
print(f"stride 2 another way: {fast:.2f} ms for {slow:.2f}, largest difference {same:.3f}")
by = list(ratios.values())
seen = by[0] < 1 and by[1] < 1.2 and by[2] > 5 and by[3] > 5 and by[4] > 1.5 and fast < slow / 3 and same < 0.2
sys.exit(0 if seen else "the behaviour has changed")
PY
