"""Settings that are possible and cannot be meant: said before the work, and refused where it would be in vain."""

from leannet.console import Console
from leannet.cost.counting import BYTES
from leannet.data.cache import available_memory
from leannet.errors import LeannetError
from leannet.rows import Architecture, Conv, Depthwise, LayerBase, Linear, Pool
from leannet.training.settings import Settings

TOO_MANY = 0.125  # of the layers with a window: those whose map is a single pixel
MUCH = 0.5  # of the memory that is free


def fitting_batch(settings: Settings, images: int, console: Console) -> Settings:
    """The settings with a batch of at most so many training images.

    The learning rate is scaled with the batch, so one of images that are not there would raise it for nothing.
    Raises LeannetError where the batch was asked for.
    """
    if settings.batch_size <= images:
        return settings
    if "batch_size" in settings.model_fields_set:
        recipe = f" (recipe {settings.recipe})" if settings.recipe else ""
        raise LeannetError(
            f"--batch-size {settings.batch_size}{recipe}: expected at most the {images:,} images of the training "
            f"split, since the learning rate is scaled with the batch; give --batch-size {max(images, 2)} or less"
        )
    console.say(f"a batch is all {images} training images, and the learning rate that of {images}")
    return settings.model_copy(update={"batch_size": max(images, 2)})


def check_input(architecture: Architecture, console: Console) -> None:
    """Says where the input is so small that many layers see a single pixel."""
    windows = [placed for placed in architecture.layers if _has_window(placed.layer)]
    single = [placed for placed in windows if max(placed.in_shapes[0][1:]) == 1]
    if len(single) <= TOO_MANY * len(windows):
        return
    size = architecture.input
    console.say(
        f"  at {size.width} x {size.height} px maps are 1 x 1 from row {single[0].row} on: {len(single)} of "
        f"{len(windows)} layers with a window see one pixel; a larger --resolution, or a network for small images, "
        "uses them",
        style="yellow",
    )


def _has_window(layer: LayerBase) -> bool:
    return isinstance(layer, Conv | Depthwise | Pool) and layer.kernel > 1


def check_memory(architecture: Architecture, settings: Settings, console: Console) -> None:
    """Says how much memory a step needs where that is much of what is free.

    What is counted is the least: the input of each convolution and fully connected layer, which the backward pass
    reads again. Raises LeannetError where that alone is more than what is free.
    """
    images = -(-settings.batch_size // settings.accumulate)
    weighted = [placed for placed in architecture.layers if isinstance(placed.layer, Conv | Depthwise | Linear)]
    elements = sum(placed.in_shapes[0].elements for placed in weighted)
    needed, free = images * BYTES * elements, available_memory()
    if not free or needed < MUCH * free:
        return
    size = architecture.input
    words = (
        f"a step of {images} images at {size.width} x {size.height} px keeps at least {needed / 1e9:,.1f} GB for the "
        f"backward pass, and {free / 1e9:,.1f} GB of memory are free"
    )
    ways = "a smaller --resolution or --batch-size, or a larger --accumulate, takes less"
    if needed > free:
        raise LeannetError(f"{architecture.name}: {words}: {ways}")
    console.say(f"  {words}; {ways}", style="yellow")
