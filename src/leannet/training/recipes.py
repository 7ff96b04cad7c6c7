"""Recipes: named settings from papers and practice. A file's settings and flags override them."""

from typing import Any

from leannet.errors import LeannetError, nearest

Recipe = dict[str, Any]

FINE_TUNE: Recipe = {
    "epochs": 20,
    "optimizer": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.02, "layer_decay": 0.7},
    "schedule": {"name": "cosine", "warmup_epochs": 1.0},
    "augment": {"crop": 0.5, "policy": "trivial"},
    "freeze": "stem",
    "ema_decay": 0.99,
    "clip": 1.0,
}

DETECT: Recipe = {
    "epochs": 150,
    "batch_size": 16,
    "resize": "letterbox",
    "optimizer": {"name": "muon", "lr": 4e-3, "weight_decay": 0.05},
    "schedule": {"name": "cosine", "warmup_epochs": 2.0},
    "augment": {"crop": 0.8, "zoom_out": 1.25, "stretch": 1.1},
    "ema_decay": 0.99,
}

# name -> its purpose, and the settings that it changes
RECIPES: dict[str, tuple[str, Recipe]] = {
    "scratch-small": (
        "a few hundred to a few thousand images, no weights to start from: long, gentle, much augmentation",
        {
            "epochs": 100,
            "optimizer": {"name": "adamw", "lr": 2e-3, "weight_decay": 0.05},
            "schedule": {"name": "cosine", "warmup_epochs": 5.0},
            "augment": {"crop": 0.25, "policy": "trivial", "erase": 0.1, "mixup": 0.2},
            "ema_decay": 0.99,
            "label_smoothing": 0.1,
        },
    ),
    "early-stop-small": (
        "a few hundred images, no weights: trains as long as it helps; ends after 15 epochs without a better one",
        {
            "epochs": 200,
            "patience": 15,
            # At one rate: a cosine improves most at its end, which early stopping would cut off.
            "optimizer": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.05},
            "schedule": {"name": "constant", "warmup_epochs": 5.0},
            "augment": {"crop": 0.25, "policy": "trivial"},
            "ema_decay": 0.99,
            "label_smoothing": 0.1,
        },
    ),
    "fine-tune-few": (
        "from weights (--weights), fewer than a thousand images: the last stage learns, the others keep their weights",
        FINE_TUNE | {"epochs": 12, "freeze": "all-but-last"},
    ),
    "fine-tune": (
        "from weights (--weights): the stem stays, earlier stages learn slower, few epochs",
        FINE_TUNE,
    ),
    "fine-tune-large": (
        "from weights (--weights), ten thousand images or more: all rows learn, earlier stages slower",
        {
            "epochs": 10,
            "optimizer": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.02, "layer_decay": 0.85},
            "schedule": {"name": "cosine", "warmup_epochs": 0.5},
            "augment": {"crop": 0.35},
            "ema_decay": 0.999,
            "label_smoothing": 0.1,
            "clip": 1.0,
        },
    ),
    "detect-few": (
        "a detection set of fewer than a thousand images, no weights to start from: many small steps, much decay",
        DETECT | {"epochs": 300, "batch_size": 4, "optimizer": {"name": "muon", "lr": 4e-3, "weight_decay": 0.5}},
    ),
    "detect": (
        "a detection set, no weights to start from",
        DETECT,
    ),
    "detect-fine-tune": (
        "a detection set, from weights (--weights)",
        {
            "epochs": 60,
            "batch_size": 16,
            "resize": "letterbox",
            "optimizer": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.02, "layer_decay": 0.85},
            "schedule": {"name": "cosine", "warmup_epochs": 2.0},
            "augment": {"crop": 0.8, "zoom_out": 1.25},
            "ema_decay": 0.99,
            "clip": 10.0,
        },
    ),
    "cifar": (
        "32-pixel images by the ten thousand: He et al. 2016, section 4.2, with a half cosine instead of steps",
        {
            "epochs": 100,
            "batch_size": 128,
            "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
            "schedule": {"name": "cosine", "warmup_epochs": 2.0, "end_factor": 0.0},
            "augment": {"crop": 0.0, "pad": 4, "flip": True},
            "label_smoothing": 0.1,
            "normalization": "zscore",
            # What a limited time would change otherwise, and did not when its figures were printed.
            "progressive_resizing": 1.0,
            "zero_init_residual": False,
            "ema_decay": 0.0,
            "precision": "no",
        },
    ),
    "cifar-fast": (
        "32-pixel images in minutes: Muon, images that grow, residual branches that begin at nought; with --time",
        {
            "epochs": 20,
            "batch_size": 64,
            "optimizer": {"name": "muon", "lr": 8e-3, "momentum": 0.9, "weight_decay": 0.05},
            "schedule": {"name": "cosine", "warmup_epochs": 1.0, "end_factor": 0.0},
            "augment": {"crop": 0.0, "pad": 4, "flip": True},
            "label_smoothing": 0.1,
            "dropout": 0.0,
            "normalization": "zscore",
            "progressive_resizing": 0.5,
            "zero_init_residual": True,
        },
    ),
    "digits": (
        "scikit-learn's digits, 8 x 8 px, in a minute: what train digits and demo take by themselves",
        {
            "model": "cifar_mobilenet_v3_small",
            "resolution": 16,
            "epochs": 18,
            "batch_size": 64,
            "optimizer": {"name": "adamw", "lr": 4e-3},
            "augment": {"crop": 0.7, "flip": False},  # a mirrored digit is another digit, or none
        },
    ),
    "plain-adam": (
        "Adam at one rate, no augmentation, no smoothing: the baseline of small experiments",
        {
            "epochs": 30,
            "optimizer": {"name": "adam", "lr": 1e-3, "weight_decay": 0.0},
            "schedule": {"name": "constant", "warmup_epochs": 0.0},
            "augment": {"crop": 0.0, "flip": False},
            "label_smoothing": 0.0,
        },
    ),
    "imagenet-mobilenet-v1": (
        "Howard et al. 2017, section 3.2: RMSprop as for Inception V3, little augmentation and decay",
        {
            "model": "mobilenet_v1",
            "epochs": 100,
            "batch_size": 96,
            "optimizer": {"name": "rmsprop", "lr": 0.045, "momentum": 0.9, "weight_decay": 4e-5},
            "schedule": {"name": "step", "step_epochs": 2.0, "step_factor": 0.94, "warmup_epochs": 0.0},
            "augment": {"crop": 0.35},
            "label_smoothing": 0.0,
            "ema_decay": 0.9999,
        },
    ),
    "imagenet-mobilenet-v2": (
        "Sandler et al. 2018, section 6.1: RMSprop, rate 0.045 falling by 0.98 an epoch, 16 devices of 96 images",
        {
            "model": "mobilenet_v2",
            "epochs": 300,
            "batch_size": 1536,
            "optimizer": {"name": "rmsprop", "lr": 0.045, "momentum": 0.9, "weight_decay": 4e-5},
            "schedule": {"name": "step", "step_epochs": 1.0, "step_factor": 0.98, "warmup_epochs": 0.0},
            "augment": {"crop": 0.35},
            "label_smoothing": 0.0,
            "ema_decay": 0.9999,
        },
    ),
    "imagenet-mobilenet-v3": (
        "Howard et al. 2019, section 6.1.1: RMSprop, rate 0.1 falling by 0.01 every 3 epochs, batch 4096, averaged",
        {
            "model": "mobilenet_v3_large",
            "epochs": 300,
            "batch_size": 4096,
            "optimizer": {"name": "rmsprop", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-5},
            "schedule": {"name": "step", "step_epochs": 3.0, "step_factor": 0.99, "warmup_epochs": 5.0},
            "augment": {"crop": 0.35},
            "dropout": 0.2,
            "ema_decay": 0.9999,
        },
    ),
    "imagenet-shufflenet": (
        "Zhang et al. 2017, section 4: SGD, rate 0.5 falling in a line, batch 1024, weight decay 4e-5, 300,000 steps",
        {
            "model": "shufflenet_v2",
            "epochs": 240,
            "batch_size": 1024,
            "optimizer": {"name": "sgd", "lr": 0.5, "momentum": 0.9, "weight_decay": 4e-5},
            "schedule": {"name": "linear", "warmup_epochs": 5.0, "end_factor": 0.0},
            "augment": {"crop": 0.35},
            "label_smoothing": 0.1,
        },
    ),
    "imagenet-squeezenet": (
        "Iandola et al. 2016, as published with it: SGD, rate 0.04 falling in a line, batch 512, 170,000 steps",
        {
            "model": "squeezenet_1_1",
            "epochs": 68,
            "batch_size": 512,
            "optimizer": {"name": "sgd", "lr": 0.04, "momentum": 0.9, "weight_decay": 2e-4},
            "schedule": {"name": "linear", "warmup_epochs": 0.0, "end_factor": 0.0},
            "augment": {"crop": 0.35},
            "label_smoothing": 0.0,
        },
    ),
    "imagenet-resnet": (
        "He et al. 2016, section 3.4: SGD, rate 0.1 falling tenfold every 30 epochs, batch 256, weight decay 1e-4",
        {
            "model": "resnet50",
            "epochs": 90,
            "batch_size": 256,
            "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
            "schedule": {"name": "step", "step_epochs": 30.0, "step_factor": 0.1, "warmup_epochs": 0.0},
            "augment": {"crop": 0.08},
            "label_smoothing": 0.0,
        },
    ),
    "imagenet-alexnet": (
        "Krizhevsky et al. 2012, section 5: SGD, rate 0.01 divided by ten three times, batch 128, about 90 cycles",
        {
            "model": "alexnet_grouped",
            "epochs": 90,
            "batch_size": 128,
            "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4},
            "schedule": {"name": "step", "step_epochs": 25.0, "step_factor": 0.1, "warmup_epochs": 0.0},
            "augment": {"crop": 0.765, "stretch": 1.0},
            "label_smoothing": 0.0,
        },
    ),
    "imagenet-vgg": (
        "Simonyan and Zisserman 2015, section 3.1: SGD, rate 0.01 divided by ten three times, batch 256, 74 epochs",
        {
            "model": "vgg16",
            "epochs": 74,
            "batch_size": 256,
            "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4},
            "schedule": {"name": "step", "step_epochs": 20.0, "step_factor": 0.1, "warmup_epochs": 0.0},
            "augment": {"crop": 0.19, "stretch": 1.0},
            "label_smoothing": 0.0,
        },
    ),
    "imagenet-googlenet": (
        "Szegedy et al. 2015, section 6: SGD, rate falling by 4 % every 8 epochs; rate, batch and epochs are not given",
        {
            "model": "googlenet",
            "epochs": 250,
            "batch_size": 256,
            "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 2e-4},
            "schedule": {"name": "step", "step_epochs": 8.0, "step_factor": 0.96, "warmup_epochs": 0.0},
            "augment": {"crop": 0.08},
            "label_smoothing": 0.0,
        },
    ),
}


def recipe(name: str) -> Recipe:
    """The settings of that name, as plain data. Raises LeannetError for an unknown one, with the nearest."""
    if name not in RECIPES:
        raise LeannetError(f"--recipe {name}: no such recipe; nearest: {nearest(name, RECIPES)}; all: leannet recipes")
    return {key: dict(value) if isinstance(value, dict) else value for key, value in RECIPES[name][1].items()}


def with_recipe(values: dict[str, Any]) -> dict[str, Any]:
    """Settings as plain data, merged over those of the recipe that they name, section by section."""
    name = values.get("recipe")
    if not isinstance(name, str):
        return values
    merged = recipe(name)
    for key, value in values.items():
        section = merged.get(key)
        merged[key] = {**section, **value} if isinstance(section, dict) and isinstance(value, dict) else value
    return merged
