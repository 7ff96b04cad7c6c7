#!/usr/bin/env bash
# Two processes on a machine without a GPU, and accelerate counts one, whichever launcher starts them.
#
# Expected: under `torchrun --nproc-per-node 2`, Accelerator().num_processes is 2, as torch.distributed's world size is,
# or it raises. And `accelerate launch --cpu --num_processes 2` starts two processes ("The total number of processes to
# be launched in parallel", says its help).
# Seen with accelerate 1.15.0 and torch 2.13.0 (CPU):
# - torchrun: Accelerator() initializes torch.distributed with two processes and then reports one, without a warning.
#   Each process takes itself for the main one, prepare() wraps no network, and each trains alone and writes the
#   same files. With Accelerator(cpu=True) both say 2.
# - accelerate launch: one process is started, without a warning; --num_processes is used only to set MASTER_ADDR.
# Without a GPU only: the variable below hides one.
set -euo pipefail
export CUDA_VISIBLE_DEVICES=""
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.13.0 accelerate==1.15.0 numpy
cat > "$folder/view.py" <<'PYTHON'
import os, sys
import torch.distributed as dist
from accelerate import Accelerator
accelerator = Accelerator(cpu="cpu" in sys.argv)
world = dist.get_world_size() if dist.is_initialized() else "none"
line = f"accelerate {accelerator.num_processes}, main {accelerator.is_main_process}, torch.distributed {world}\n"
os.write(1, line.encode())
PYTHON
cd "$folder"
bin="$folder/env/bin"
"$bin/python" -c "import torch, accelerate; print('torch', torch.__version__, 'accelerate', accelerate.__version__)"
run() {
  echo "$ $*"
  "$bin/$1" "${@:2}" 2>"$folder/errors" | tee "$folder/seen" || { cat "$folder/errors"; exit 1; }
}
expect() {
  [ "$(sort "$folder/seen")" = "$(printf '%b' "$1" | sort)" ] || { echo "this has changed"; exit 1; }
}
run torchrun --standalone --nproc-per-node 2 view.py
expect 'accelerate 1, main True, torch.distributed 2\naccelerate 1, main True, torch.distributed 2\n'
run torchrun --standalone --nproc-per-node 2 view.py cpu
expect 'accelerate 2, main False, torch.distributed 2\naccelerate 2, main True, torch.distributed 2\n'
run accelerate launch --cpu --num_processes 2 view.py
expect 'accelerate 1, main True, torch.distributed none\n'
