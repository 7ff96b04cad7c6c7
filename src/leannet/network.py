"""Network: an architecture as a torch module that carries its rows."""

import copy
import math
from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from leannet.blocks import Table, layer_module
from leannet.blocks.layers import ConvLayer, TransposedConvLayer
from leannet.cost import count
from leannet.errors import LeannetError, check_architecture, nearest
from leannet.header import Header
from leannet.layer_names import translated
from leannet.rows import Add, Architecture, LayerBase, parameters
from leannet.rows.branch_weights import deployed_state
from leannet.rows.branches import deploy


class Network(Table):
    """The torch module of an architecture: (N, C, H, W) float32 -> (N, classes).

    An output that is not a vector is (N, C, H, W); several outputs come as a dict by row name, auxiliary ones in
    training alone. `architecture` is what
    it was built from. State keys are the rows' own names: `block_1.expand.conv.weight`,
    `block_1.expand.norm.weight`, ...
    """

    architecture: Architecture
    origin: Header | None = None  # of the weights that it started from: classes, preprocessing, source

    def __init__(self, architecture: Architecture):
        super().__init__(architecture.graph.nodes, outputs=architecture.output_names)
        self.architecture = architecture
        shapes = architecture.shapes
        self.vectors = {name for name in architecture.output_names if shapes[name][1:] == (1, 1)}
        self.auxiliary = set(architecture.training_outputs)
        self.apply(initialize)

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        wanted = [name for name in self.output_names if self.training or name not in self.auxiliary]
        values = self.run(x, until=wanted[0]) if len(wanted) == 1 else self.run(x)
        outputs = dict(zip(wanted if len(wanted) == 1 else self.output_names, values, strict=True))
        answers = {name: outputs[name].flatten(1) if name in self.vectors else outputs[name] for name in wanted}
        return answers[wanted[0]] if len(wanted) == 1 else answers

    def _repr_markdown_(self) -> str:
        """For a notebook: what each row costs."""
        return count(self.architecture)._repr_markdown_()

    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature map, before pooling and classes: (N, C, H, W)."""
        return self.run(x, until=self.architecture.features)[0]

    def reset_classifier(self, classes: int) -> None:
        """Replaces the heads by fresh ones. The other rows keep their weights, `origin` keeps what is still true."""
        architecture = self.architecture.with_classes(classes)
        for name in architecture.heads:
            head = architecture.graph.by_path[name]
            assert isinstance(head.row, LayerBase)
            if head.shares is not None:
                continue
            module = layer_module(head.row, head.in_shapes).apply(initialize)
            self._modules[name] = module.to(next(self.parameters()).device)
        self.architecture = architecture
        if self.origin is not None:
            self.origin = self.origin.for_rows(architecture, fresh_head=True)

    def layer(self, name: str) -> nn.Module:
        """The module of a row, or of what is inside one.

        `expanded_conv.project` and `expanded_conv_project` are the same; names of Keras and MATLAB and numbers, as
        `block_1_project_BN` and 151, are translated (layer_names.py). Raises LeannetError with the nearest names.
        """
        paths = {path: module for path, module in self.named_modules() if path}
        if name in paths:
            return paths[name]
        by_name = {path.replace(".", "_"): module for path, module in paths.items()}
        if name.replace(".", "_") in by_name:
            return by_name[name.replace(".", "_")]
        if (path := translated(self.architecture, name)) is not None and path in paths:
            return paths[path]
        known = dict.fromkeys(
            [*(node.path for node in self.architecture.layers), *(row.name for row in self.architecture.rows)]
        )
        raise LeannetError(f"{self.architecture.name} has no layer '{name}'; nearest: {nearest(name, known)}")


def initialize(module: nn.Module) -> None:
    """Fresh weights: He et al.'s normal, by fan-out, for convolutions; small for fully connected layers.

    The fan-out of a grouped convolution is that of one group: a depthwise filter feeds one channel. Of a transposed
    convolution it is that of the convolution of stride 1 that its windows leave of it.
    """
    if isinstance(module, nn.Conv2d):
        fan_out: float = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
    elif isinstance(module, nn.ConvTranspose2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels / math.prod(module.stride)
        nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def folded(network: Network) -> Network:
    """A copy that evaluates faster: batch norm that follows a convolution is folded into its weights.

    The outputs are those of the network in evaluation mode but for rounding.
    """
    copied = copy.deepcopy(network).eval()
    with torch.no_grad():
        for module in copied.modules():
            if isinstance(module, ConvLayer | TransposedConvLayer) and type(module.norm) is nn.BatchNorm2d:
                module.conv = fuse_conv_bn_eval(
                    module.conv, module.norm, transpose=isinstance(module, TransposedConvLayer)
                )
                module.norm = nn.Identity()
    return copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this form


def zero_init_residual(network: Network) -> None:
    """Begins with residual branches that add nothing: the last batch norm of each is scaled by 0.

    Signals then pass a fresh network along its shortcuts (Goyal et al., arXiv 1706.02677, section 5.1).
    """
    above: dict[str, set[str]] = {}  # of each layer those that lead to it
    reads = {node.path: node.inputs for node in network.architecture.layers}
    for node in network.architecture.layers:
        above[node.path] = set(node.inputs).union(*(above.get(name, ()) for name in node.inputs))
        if not isinstance(node.row, Add) or node.row.average or len(node.inputs) != 2:
            continue
        first, second = node.inputs
        if reads.get(first) == reads.get(second):  # side by side, as branches that fold: neither is a shortcut
            continue
        branch = second if first in above.get(second, ()) else first
        owner = network.architecture.graph.by_path[branch].shares or branch if branch in reads else ""
        norm = getattr(network.layer(owner), "norm", None) if owner else None
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.zeros_(norm.weight)


def build(architecture: Architecture) -> Network:
    """The torch module of an architecture, with fresh weights drawn from torch's generator."""
    check_architecture(architecture)
    return Network(architecture)


def subnetwork(network: Network, architecture: Architecture) -> Network:
    """The network of some of its rows, in evaluation mode, with their weights.

    architecture: rows of the network's own, by name, of the same shapes. A row whose weights were those of one that is
    gone has them as its own.
    """
    smaller, state, nodes = build(architecture).eval(), network.state_dict(), network.architecture.graph.by_path
    owners = {layer.path: nodes[layer.path].shares or layer.path for layer in architecture.layers}
    smaller.load_state_dict(
        {
            f"{layer.path}.{parameter.name}": state[f"{owners[layer.path]}.{parameter.name}"]
            for layer in architecture.layers
            if layer.shares is None
            for parameter in parameters(layer)
        }
    )
    return smaller


def reparameterized(network: Network) -> Network:
    """A network in evaluation mode with the parallel branches of this one folded; the network itself where it has none.

    Its outputs are the same but for rounding: the weights are worked out in float64 (`rows.branches.deploy`).
    """
    deployed = deploy(network.architecture)
    if not deployed.maps:
        return network
    state = {key: value.detach().cpu().numpy() for key, value in network.state_dict().items()}
    folded_network = build(deployed.architecture).eval()
    weights = deployed_state(deployed, network.architecture, state)
    folded_network.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in weights.items()})
    return folded_network.to(next(network.parameters()).device)


def transfer(
    network: Network, state: dict[str, Tensor], source: str, fresh_head: bool = False, fresh_rows: Collection[str] = ()
) -> None:
    """Copies weights into a network; with `fresh_head` all but those of the rows that make the classes. fresh_rows:
    more rows that keep what they have.

    Raises LeannetError naming the keys and shapes that do not fit.
    """
    own = network.state_dict()
    heads = tuple(f"{name}." for name in (*(network.architecture.heads if fresh_head else ()), *fresh_rows))
    fresh = {key for key in own if key.startswith(heads)}
    problems = [f"misses {key}" for key in own if key not in state and key not in fresh]
    problems += [f"has {key}, which no row has" for key in state if key not in own]
    problems += [
        f"has {key} of shape {tuple(state[key].shape)}, the row needs {tuple(own[key].shape)}"
        for key in own
        if key in state and key not in fresh and state[key].shape != own[key].shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise LeannetError(f"{source} does not fit {network.architecture.name}: it {'; '.join(problems[:3])}{more}")
    with torch.no_grad():
        for key, value in own.items():
            if key not in fresh:
                value.copy_(state[key])
