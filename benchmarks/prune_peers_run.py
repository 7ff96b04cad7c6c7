"""What a peer prunes: run by prune_peers.py in the peer's own environment, with torch, safetensors and the peer alone.

    python prune_peers_run.py prune PEER LAYERS.json WEIGHTS OUT     # OUT.safetensors, and OUT as the peer saves it
    python prune_peers_run.py load PEER LAYERS.json OUT              # in a fresh process

LAYERS: the layers of a network as prune_peers.py writes them. PEER is called as its README does, with its channels in
multiples of 8, and told to remove so much that half of the mult-adds are left: found by bisection, since neither takes
such a budget. A line is printed as soon as a trial ends.
"""

import copy
import json
import pickle
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

TRIALS = 7
ACTIVATIONS = {
    "linear": nn.Identity, "relu": nn.ReLU, "relu6": nn.ReLU6, "hswish": nn.Hardswish, "hsigmoid": nn.Hardsigmoid,
}  # fmt: skip


class Layer(nn.Module):
    """Convolution, batch norm, activation."""

    def __init__(self, row, channels: int):
        super().__init__()
        filters, groups = (channels, channels) if row["kind"] == "depthwise" else (row["out_channels"], row["groups"])
        assert row["padding"] == "symmetric", row
        padding = (row["kernel"] - 1) // 2
        self.conv = nn.Conv2d(channels, filters, row["kernel"], row["stride"], padding, groups=groups, bias=row["bias"])
        self.norm = nn.BatchNorm2d(filters, row["norm"]["eps"]) if row["norm"] else nn.Identity()
        self.activation = ACTIVATIONS[row["activation"]]()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(x)))


class Shuffle(nn.Module):
    """Channel shuffle, as torchvision writes it."""

    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.size()
        x = x.view(batch, self.groups, channels // self.groups, height, width)
        return torch.transpose(x, 1, 2).contiguous().view(batch, -1, height, width)


class Classifier(nn.Module):
    """Fully connected."""

    def __init__(self, row, channels: int):
        super().__init__()
        self.linear = nn.Linear(channels, row["out_channels"], bias=row["bias"])
        self.activation = ACTIVATIONS[row["activation"]]()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.linear(torch.flatten(x, 1)))


class Plain(nn.Module):
    """The layers as a plain torch module."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers
        for layer in layers:
            row, name = layer["row"], attribute(layer["path"])
            if row["kind"] in ("conv", "depthwise"):
                self.add_module(name, Layer(row, layer["channels"]))
            elif row["kind"] == "linear":
                self.add_module(name, Classifier(row, layer["channels"]))
            elif row["kind"] == "shuffle":
                self.add_module(name, Shuffle(row["groups"]))
            elif row["kind"] == "pool" and row["op"] == "max":
                self.add_module(name, nn.MaxPool2d(row["kernel"], row["stride"], (row["kernel"] - 1) // 2))
            elif row["kind"] == "global_pool":
                self.add_module(name, nn.AdaptiveAvgPool2d(1))
            elif row["kind"] == "dropout":
                self.add_module(name, nn.Dropout(row["rate"]))
            else:
                activation = row.get("activation") or "linear"
                self.add_module(name, ACTIVATIONS[activation]())

    def forward(self, x: Tensor) -> Tensor:
        values, halves = {"input": x}, {}
        for layer in self.layers:
            read, kind = [values[name] for name in layer["inputs"]], layer["row"]["kind"]
            module = getattr(self, attribute(layer["path"]))
            if kind == "add":
                y = module(read[0] + read[1])
            elif kind == "multiply":
                y = read[0] * read[1]
            elif kind == "concat":
                y = torch.cat(read, dim=1)
            elif kind == "slice":  # torchvision's chunk, of which two slices are the halves
                source = layer["inputs"][0]
                if source not in halves:
                    halves[source] = read[0].chunk(2, dim=1)
                y = halves[source][0 if layer["row"]["start"] == 0 else 1]
            else:
                y = module(read[0])
            values[layer["path"]] = y
        return torch.flatten(y, 1)


def attribute(path: str) -> str:
    """A path as the name of a submodule."""
    return path.replace(".", "__")


def built(layers, weights) -> Plain:
    """With weights, whose keys are leannet's."""
    model = Plain(layers).eval()
    names = {key: ".".join([attribute(key.rsplit(".", 2)[0]), *key.rsplit(".", 2)[1:]]) for key in weights}
    model.load_state_dict({names[key]: value for key, value in weights.items()})
    return model


def mult_adds(model: nn.Module, x: Tensor) -> int:
    """Of convolutions and fully connected layers, as both peers count."""
    total = 0

    def note(module, inputs, output) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    hooks = [each.register_forward_hook(note) for each in model.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    with torch.inference_mode():
        model(x)
    for hook in hooks:
        hook.remove()
    return total


def by_torch_pruning(model: Plain, x: Tensor, share: float) -> nn.Module:
    """share: of the channels of every layer."""
    import torch_pruning as tp

    classifier = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)][-1]
    importance = tp.importance.GroupMagnitudeImportance(p=2)
    tp.pruner.BasePruner(
        model, x, importance=importance, pruning_ratio=share, ignored_layers=[classifier], round_to=8
    ).step()
    return model


def by_kirigami(model: Plain, x: Tensor, share: float) -> nn.Module:
    """share: of the parameters."""
    from torch_kirigami import DependencyGraph
    from torch_kirigami.pruning import Granularity, Greedy, GroupMagnitude, ParameterBudget, Pruner

    graph = DependencyGraph.build(model, args=(x,))
    pruner = Pruner(model, graph=graph, granularity=Granularity(default=8))
    parameters = sum(each.numel() for each in model.parameters())
    budget = ParameterBudget(max_params=round((1 - share) * parameters))
    candidates = pruner.discover_candidates()
    return pruner.prune(candidates, budget=budget, strategy=Greedy(GroupMagnitude(p=2)))[0]


PEERS = {"torch-pruning": by_torch_pruning, "torch-kirigami": by_kirigami}


def say(**fact) -> None:
    """A line of JSON."""
    print(json.dumps(fact), flush=True)


def prune(peer: str, layers, weights, out: Path) -> None:
    """Bisects, and saves the largest that is within the half."""
    # As wide as the first layer reads, of the size that it was made for.
    x = torch.randn(1, layers[0]["channels"], layers[0]["height"], layers[0]["width"])
    original = built(layers, weights)
    whole = mult_adds(original, x)
    low, high, best = 0.0, 1.0, None
    for trial in range(TRIALS):
        share, began = (low + high) / 2, time.perf_counter()
        try:
            model = PEERS[peer](copy.deepcopy(original), x, share).eval()
            macs = mult_adds(model, x)
            error = None
        except Exception as failure:  # whatever a peer raises is its result
            macs, error = None, f"{type(failure).__name__}: {str(failure).splitlines()[0] if str(failure) else ''}"
        say(trial=trial, share=share, seconds=time.perf_counter() - began, macs=macs, error=error)
        if error is not None and trial == 0:
            return
        if error is not None:  # it would remove too much
            high = share
        elif macs <= whole / 2:
            high, best = share, model if best is None or macs > mult_adds(best, x) else best
        else:
            low = share
    if best is None:
        say(error="none of them left half of the mult-adds")
        return
    state = {key: value.contiguous() for key, value in best.state_dict().items()}
    save_file(state, out.with_suffix(".safetensors"))
    if peer == "torch-kirigami":
        from torch_kirigami.pruning import save_checkpoint

        save_checkpoint(best, out)
    else:
        torch.save(best, out)
    say(saved=out.stat().st_size)


def load(peer: str, layers, out: Path) -> None:
    """In a process that has torch and the peer, first as torch loads by default, then as the peer says."""
    try:
        torch.load(out, weights_only=True)
        say(safe=True)
    except pickle.UnpicklingError:
        say(safe=False)
    if peer == "torch-kirigami":
        from torch_kirigami.pruning import load_checkpoint

        model = load_checkpoint(Plain(layers), out)
    else:
        model = torch.load(out, weights_only=False)
    say(loaded=sum(each.numel() for each in model.parameters()))


def main() -> None:
    """One of the two."""
    what, peer, layers, *rest = sys.argv[1:]
    description = json.loads(Path(layers).read_text())
    torch.manual_seed(0)
    if what == "prune":
        prune(peer, description, load_file(rest[0]), Path(rest[1]))
    else:
        load(peer, description, Path(rest[0]))


if __name__ == "__main__":
    # Under its importable name, so that a pickle of the module names it, and not __main__.
    import prune_peers_run

    prune_peers_run.main()
