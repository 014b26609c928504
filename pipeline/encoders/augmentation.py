"""Changes of images that leave what is on them: light ones, and views for pretraining."""

import torch
from jaxtyping import Float, UInt8
from torch.nn import functional

Pixels = UInt8[torch.Tensor, "image height width channel"]

SHIFT = 1 / 14  # of the side, at most
BRIGHTNESS = 0.2  # of it, more or less at most
_LEAST = 0.6  # of a side that a view shows


def augmented(pixels: Pixels, generator: torch.Generator, *, mirror: bool = True) -> Pixels:
    """Each image changed in its own way; what a shift uncovers repeats the edge.

    Args:
        pixels: stays as it is.
        generator: of the changes.
        mirror: whether half of the images are mirrored.
    """
    images, height, width, _ = pixels.shape

    def offsets(side: int) -> torch.Tensor:
        most = max(1, round(SHIFT * side))
        shift = torch.randint(-most, most + 1, (images, 1), generator=generator)
        return (torch.arange(side) + shift).clamp(0, side - 1)  # (image, side)

    down, across = offsets(height), offsets(width)
    turned = torch.rand(images, 1, generator=generator) < 0.5
    factor = 1 + BRIGHTNESS * (2 * torch.rand(images, 1, 1, 1, generator=generator) - 1)
    if mirror:
        across = torch.where(turned, across.flip(1), across)
    image = torch.arange(images)[:, None, None]
    moved = pixels[image, down[:, :, None], across[:, None, :]]  # one gather
    return (moved * factor).clamp_(0, 255).to(torch.uint8)


def view(
    x: Float[torch.Tensor, "image channel side side"], generator: torch.Generator
) -> Float[torch.Tensor, "image channel side side"]:
    """A part of each image, mirrored or not, scaled to the whole; lighter or darker.

    Args:
        x: from 0 to 255; parts may reach a little over its edges, where all is 0.
        generator: of the host, wherever the images are.
    """
    images = len(x)

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(images, generator=generator)

    share = uniform(_LEAST, 1.0)
    mirrored = torch.where(uniform(0.0, 1.0) < 0.5, -1.0, 1.0)
    across, down = ((1 - share) * uniform(-1.0, 1.0) for _ in range(2))
    zero = torch.zeros(images)
    turn = torch.stack(
        [
            torch.stack([share * mirrored, zero, across], 1),
            torch.stack([zero, share * uniform(0.8, 1.25), down], 1),
        ],
        1,
    )
    grid = functional.affine_grid(turn.to(x.device), list(x.shape), align_corners=False)
    factor = uniform(0.5, 1.5).view(-1, 1, 1, 1).to(x.device)
    return functional.grid_sample(x, grid, align_corners=False) * factor
