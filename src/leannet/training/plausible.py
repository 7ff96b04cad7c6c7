"""Settings that are valid but probably a mistake: a warning before the work, or an error if it would be futile."""

from leannet.console import Console
from leannet.cost.counting import BYTES
from leannet.data.cache import available_memory
from leannet.errors import LeannetError
from leannet.rows import Architecture, Conv, Depthwise, Linear, Pool, RowBase, TransposedConv
from leannet.training.settings import Settings

TOO_MANY = 0.125  # share of layers with a kernel above 1 x 1 whose map is a single pixel
MUCH = 0.5  # of the free memory


def fitting_batch(settings: Settings, images: int, console: Console) -> Settings:
    """The settings with a batch of at most this number of training images.

    The learning rate is scaled with the batch, so that a batch larger than the data would raise it without reason.
    Raises LeannetError if the batch size was set explicitly.
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
    """Warns if the input is so small that many layers get a single pixel."""
    kernel_layers = [node for node in architecture.layers if _has_kernel(node.row)]
    single = [node for node in kernel_layers if max(node.in_shapes[0][1:]) == 1]
    if len(single) <= TOO_MANY * len(kernel_layers):
        return
    size = architecture.input
    console.say(
        f"  at {size.width} x {size.height} px maps are 1 x 1 from row {single[0].top} on: {len(single)} of "
        f"{len(kernel_layers)} layers with a kernel above 1 x 1 get a single pixel; use a larger --resolution, or a "
        "network for small images",
        style="yellow",
    )


def _has_kernel(layer: RowBase) -> bool:
    if isinstance(layer, Conv | Depthwise):
        return layer.sides != (1, 1)
    return isinstance(layer, Pool) and layer.kernel > 1


def check_memory(architecture: Architecture, settings: Settings, console: Console) -> None:
    """Warns if a step needs much of the free memory.

    This counts the minimum: the input of each convolution and fully connected layer, which the backward pass reads
    again. Raises LeannetError if that alone exceeds the free memory.
    """
    images = -(-settings.batch_size // settings.accumulate)
    weighted = [
        node for node in architecture.layers if isinstance(node.row, Conv | Depthwise | Linear | TransposedConv)
    ]
    elements = sum(node.in_shapes[0].elements for node in weighted)
    needed, free = images * BYTES * elements, available_memory()
    if not free or needed < MUCH * free:
        return
    size = architecture.input
    estimate = (
        f"a step of {images} images at {size.width} x {size.height} px keeps at least {needed / 1e9:,.1f} GB for the "
        f"backward pass, and {free / 1e9:,.1f} GB of memory are free"
    )
    advice = "a smaller --resolution or --batch-size, or a larger --accumulate, takes less"
    if needed > free:
        raise LeannetError(f"{architecture.name}: {estimate}: {advice}")
    console.say(f"  {estimate}; {advice}", style="yellow")
