"""What timm's models answer with weights drawn by name: run by parity.py in timm's environment.

python parity_run.py ANSWERS.jsonl MODEL ...
"""

import json
import sys
import zlib
from pathlib import Path
from typing import Any

import torch

SIDE = 128


def fill(state: list[tuple[str, list[int]]]) -> dict[str, Any]:
    """Numbers for each tensor, by its name."""
    made = {}
    for key, shape in state:
        draw = torch.Generator().manual_seed(zlib.crc32(key.encode()))
        leaf = key.rpartition(".")[2]
        if leaf == "num_batches_tracked":
            made[key] = torch.zeros(shape, dtype=torch.int64)
        elif leaf == "running_var":
            made[key] = 1 + 0.2 * torch.rand(shape, generator=draw)
        elif leaf == "weight" and len(shape) > 1:
            size = torch.Size(shape[1:]).numel()
            made[key] = torch.randn(shape, generator=draw) * (2 / size) ** 0.5
        else:
            made[key] = (leaf == "weight") + 0.2 * torch.randn(shape, generator=draw)
    return made


def image() -> Any:
    """One image, of normal numbers, in float64."""
    return torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)).double()


def main() -> None:
    """Writes a line a model."""
    from peers import DECLARED

    exec(DECLARED)  # torchvision, which timm imports
    import timm

    answers, *models = sys.argv[1:]
    with Path(answers).open("w") as file:
        for name in models:
            model = timm.create_model(name).eval()
            state = [(key, list(value.shape)) for key, value in model.state_dict().items()]
            model.load_state_dict(fill(state))
            with torch.no_grad():
                logits = model.double()(image())[0].tolist()
            params = sum(each.numel() for each in model.parameters())
            line = {"model": name, "state": state, "logits": logits, "params": params}
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
