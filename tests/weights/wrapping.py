"""What training programs write around a network's weights, in their layouts, by torch's own wrappers where possible."""

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

State = dict[str, Tensor]


def as_module(state: State) -> nn.Module:
    """A module with just these keys."""
    root = nn.Module()
    for key, value in state.items():
        *path, leaf = key.split(".")
        module = root
        for name in path:
            if name not in module._modules:
                module.add_module(name, nn.Module())
            module = module.get_submodule(name)
        if leaf in {"weight", "bias"}:
            module.register_parameter(leaf, nn.Parameter(value.clone()))
        else:
            module.register_buffer(leaf, value.clone())
    return root


def compiled(module: nn.Module) -> nn.Module:
    """Wrapped as for any backend; this one needs no compiler."""
    return torch.compile(module, backend="eager")  # type: ignore[return-value]


def behind(prefix: str, state: State) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def averaged(last: State, average: State) -> State:
    """The keys of torch's AveragedModel, which hold the average."""
    model = AveragedModel(as_module(last), use_buffers=True)
    model.update_parameters(as_module(average))
    return dict(model.state_dict())


def training(state: State) -> dict[str, Any]:
    """What is kept beside weights: optimizer, schedule, scaler, arguments."""
    module = as_module(state)
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.ndim == 1], lr=0.1, momentum=0.9)
    for parameter in optimizer.param_groups[0]["params"]:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, cosine], milestones=[2])
    return {"optimizer": optimizer.state_dict(), "lr_scheduler": schedule.state_dict(), "epoch": 3}


def timm_arguments() -> argparse.Namespace:
    counts: defaultdict[str, int] = defaultdict(int, {"seen": 3})
    return argparse.Namespace(
        model="mobilenetv2_050", lr=0.1, mean=[0.2, 0.3, 0.4], std=None, interpolation="", crop_pct=0.95, counts=counts
    )


def torchvision_arguments() -> argparse.Namespace:
    return argparse.Namespace(
        model="mobilenet_v2",
        output_dir=PurePosixPath("out"),
        best=np.float64(0.5),
        interpolation="bicubic",
        val_resize_size=232,
        val_crop_size=224,
    )


def lightning(state: State, prefix: str, **more: Any) -> dict[str, Any]:
    """As Trainer.save_checkpoint writes it; beside the network stands the loss, with its class weights."""
    training_state = training(state)
    return {
        "epoch": 1,
        "global_step": 12,
        "pytorch-lightning_version": "2.6.0",
        "state_dict": behind(prefix, state) | {"criterion.weight": torch.ones(3)},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'val_loss'}": {"best_model_score": torch.tensor(0.5)}},
        "optimizer_states": [training_state["optimizer"]],
        "lr_schedulers": [training_state["lr_scheduler"]],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 0.1, "root": PurePosixPath("data"), "args": torchvision_arguments()},
    } | more


# name -> (what torch.save writes of the last weights and of their average, whether the average is what counts,
# words of what is said)
Layout = tuple[Callable[[State, State], Any], bool, str]
LAYOUTS: dict[str, Layout] = {
    "plain": (lambda last, ema: last, False, ""),
    "net": (lambda last, ema: {"net": last, "acc": 91.2, "epoch": 7}, False, "the weights of 'net'"),
    "data parallel": (
        lambda last, ema: {
            **training(last),
            "arch": "mobilenet_v2",
            "state_dict": nn.DataParallel(as_module(last)).state_dict(),
            "best_acc1": torch.tensor(71.0),
        },
        False,
        "the weights of 'state_dict', 'module.' removed from its keys",
    ),
    "compiled": (lambda last, ema: compiled(as_module(last)).state_dict(), False, "'_orig_mod.' removed from"),
    "compiled in parallel": (
        lambda last, ema: {"model": nn.DataParallel(compiled(as_module(last))).state_dict()},
        False,
        "the weights of 'model', 'module.' and '_orig_mod.' removed from",
    ),
    "parallel twice": (lambda last, ema: behind("module.module.", last), False, "'module.' removed from"),
    "lightning": (
        lambda last, ema: lightning(last, "model."),
        False,
        "the weights of 'state_dict', 'model.' removed from its keys; ignored: criterion.weight",
    ),
    "lightning, compiled": (lambda last, ema: lightning(last, "model._orig_mod."), False, "'model.' and '_orig_mod.'"),
    "lightning, another attribute": (lambda last, ema: lightning(last, "student_net."), False, "'student_net.'"),
    "lightning, averaging": (
        lambda last, ema: lightning(
            ema,
            "backbone.",
            current_model_state=behind("backbone.", last),
            averaging_state={"n_averaged": torch.tensor(3)},
        ),
        True,
        "'state_dict', a moving average, 'backbone.' removed from its keys; not used: 'current_model_state.backbone'",
    ),
    "lightning, average of its own": (
        lambda last, ema: {"state_dict": behind("net.", last) | behind("net_ema.", averaged(last, ema))},
        True,
        "a moving average, 'net_ema.' and 'module.' removed from its keys; not used: 'state_dict.net'",
    ),
    "averaged model": (lambda last, ema: averaged(last, ema), True, "a moving average, 'module.' removed from"),
    "timm": (
        lambda last, ema: {
            **training(last),
            "arch": "mobilenetv2_050",
            "state_dict": last,
            "version": 2,
            "args": timm_arguments(),
            "amp_scaler": {"scale": 65536.0, "_growth_tracker": 0},
            "state_dict_ema": ema,
            "metric": np.float64(71.5),
            "saver": {"checkpoint_files": [("checkpoint-3.pth.tar", 71.5)], "pending": (3, 71.5)},
        },
        True,
        "the weights of 'state_dict_ema', a moving average; not used: 'state_dict'",
    ),
    "torchvision": (
        lambda last, ema: {
            "model": last,
            **training(last),
            "args": torchvision_arguments(),
            "model_ema": averaged(last, ema),
            "scaler": {"scale": 65536.0},
        },
        True,
        "the weights of 'model_ema', a moving average, 'module.' removed from its keys; not used: 'model'",
    ),
    "ema-pytorch": (
        lambda last, ema: {
            "model": last,
            "ema": behind("online_model.", last)
            | behind("ema_model.", ema)
            | {"initted": torch.tensor(True), "step": torch.tensor(3)},
        },
        True,
        "'ema_model.' removed from its keys; not used: 'ema.online_model', 'model'",
    ),
    # Its hook puts the average into state_dict, and what was there into ema_state_dict.
    "mmengine": (
        lambda last, ema: {
            "meta": {"mmengine_version": "0.10.7"},
            "state_dict": behind("backbone.timm_model.", ema),
            "message_hub": {},
            "optimizer": {},
            "ema_state_dict": behind("module.backbone.timm_model.", last) | {"steps": torch.tensor(3)},
        },
        True,
        "the weights of 'state_dict', a moving average, 'backbone.timm_model.' removed from",
    ),
    "composer": (
        lambda last, ema: {"state": {"model": behind("module.", last), "optimizers": {}}, "rng": []},
        False,
        "the weights of 'state.model'",
    ),
}
