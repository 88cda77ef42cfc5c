"""Published networks for small images and small budgets: first strides taken away, all widths narrowed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from designspace.errors import UserError, one_line
from designspace.networks.counting import run_without_weights, without_weights

CONVOLUTIONS = (nn.Conv2d,)
POOLS = (nn.MaxPool2d, nn.AvgPool2d)
LAST_MAP = 4  # pixels a side that a small stem leaves
WIDTH_STEP = 4  # where widths are rounded, its multiples stay multiples
MAX_SIDE = 1_024  # pixels, where the search for a resolution that works ends


class MisfitError(Exception):
    """A network cannot work on images of some size: the layer, and why."""


@dataclass(frozen=True)
class Seen:
    """One call of a convolution or pool."""

    layer: nn.Module
    side_in: int  # pixels, the shorter side
    side_out: int


@dataclass(frozen=True)
class Trace:
    """The layers that one image met, in order of execution."""

    seen: tuple[Seen, ...]
    layers: tuple[nn.Module, ...]  # all convolutions and linear layers that were called
    failure: MisfitError | None  # where the network could not go on


def trace(shape: nn.Module, resolution: int, in_channels: int) -> Trace:
    """Send one image through a network without weights."""
    seen: list[Seen] = []
    layers: list[nn.Module] = []
    at = "its first layer"
    names = {module: f"{name} ({type(module).__name__})" for name, module in shape.named_modules()}

    def enter(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        nonlocal at
        at = names[layer]

    def leave(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if isinstance(layer, (*CONVOLUTIONS, nn.Linear)):
            layers.append(layer)
        if isinstance(layer, (*CONVOLUTIONS, *POOLS)):
            seen.append(Seen(layer, min(inputs[0].shape[-2:]), min(output.shape[-2:])))

    hooks = []
    for layer in shape.modules():
        if not any(layer.children()):
            hooks += [layer.register_forward_pre_hook(enter), layer.register_forward_hook(leave)]
    failure = None
    try:
        run_without_weights(shape, resolution, in_channels)
    except Exception as error:  # whatever it is that a network of somebody else raises
        failure = MisfitError(f"layer {at}: {one_line(error)}")
    for hook in hooks:
        hook.remove()
    return Trace(tuple(seen), tuple(layers), failure)


# ---- stem -------------------------------------------------------------------------------------------------


def fit_stem(network: nn.Module, stem: str, *, resolution: int, in_channels: int) -> None:
    """Give stride 1 to the layers of the network that a small stem takes it from; else see that it works.

    Those that see the largest map go first, all of them together (a shortcut has its block's stride), until
    the last map has 4 x 4 pixels: the output of the last convolution or pool that is larger than 1x1.

    Raises:
        MisfitError: the network cannot work on such images.
    """
    shape = without_weights(network)
    names = {module: name for name, module in shape.named_modules()}
    while True:
        found = trace(shape, resolution, in_channels)
        sides = [call.side_out for call in found.seen if _kernel(call.layer) > 1 and not _is_dense(call)]
        small_enough = found.failure is None and (stem != "small" or not sides or sides[-1] >= LAST_MAP)
        if small_enough:
            return
        strided = [call for call in found.seen if stem == "small" and _stride(call.layer) > 1]
        if not strided:
            raise found.failure or MisfitError(
                f"layer {names[found.seen[-1].layer]}: the last map has {sides[-1]} x {sides[-1]} pixels, "
                f"without any stride"
            )
        largest = max(call.side_in for call in strided)
        for call in strided:
            if call.side_in == largest:
                _take_stride(call.layer)
                _take_stride(network.get_submodule(names[call.layer]))


def smallest_resolution(network: nn.Module, stem: str, *, above: int, in_channels: int) -> int | None:
    """Side in pixels of the smallest images larger than `above` on which the network works."""

    def works(side: int) -> bool:
        try:
            fit_stem(without_weights(network), stem, resolution=side, in_channels=in_channels)
        except MisfitError:
            return False
        return True

    low, high = above, 2 * above
    while not works(high):
        low, high = high, 2 * high
        if high > MAX_SIDE:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def _take_stride(layer: Any) -> None:
    """Stride 1, which keeps the size; a pool of windows that touch has none left to take the maximum of."""
    if isinstance(layer, POOLS) and _kernel(layer) == _stride(layer):
        layer.kernel_size, layer.padding = 1, 0
    layer.stride = (1, 1) if isinstance(layer, CONVOLUTIONS) else 1


def _is_dense(call: Seen) -> bool:
    """Whether a convolution is a dense layer in fact: one output of a whole large map, as in timm's VGG."""
    return (
        isinstance(call.layer, CONVOLUTIONS)
        and call.side_out == 1
        and _kernel(call.layer) == call.side_in > 3
    )


def _kernel(layer: Any) -> int:
    return max(layer.kernel_size) if isinstance(layer.kernel_size, tuple) else int(layer.kernel_size)


def _stride(layer: Any) -> int:
    return max(layer.stride) if isinstance(layer.stride, tuple) else int(layer.stride)


# ---- width ------------------------------------------------------------------------------------------------


def narrow(shape: nn.Module, factor: float, *, in_channels: int) -> None:
    """Multiply the widths of all layers of a network without weights by one factor, in place.

    The image and the classes keep theirs. Where a product is no whole number, multiples of 4 stay multiples
    of 4. Groups keep their width where it divides the layer's.

    Raises:
        UserError: the network has layers whose widths cannot be set like this.
    """
    layers = trace(shape, 224, in_channels).layers
    first, last = layers[0], layers[-1]

    def scaled(width: int) -> int:
        step = WIDTH_STEP if width % WIDTH_STEP == 0 and (width * factor) % 1 else 1
        return step * max(round(width * factor / step), 1)

    for name, layer in shape.named_modules():
        own = {
            key for key, _ in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False))
        }
        if isinstance(layer, nn.Conv2d) and own <= {"weight", "bias"}:
            w_in = layer.in_channels if layer is first else scaled(layer.in_channels)
            w_out = layer.out_channels if layer is last else scaled(layer.out_channels)
            group = layer.in_channels // layer.groups
            groups = 1 if layer.groups == 1 else w_in // math.gcd(w_in, group)
            if w_out % groups:
                raise UserError(f"its layer {name} has {groups} groups, which do not divide {w_out} channels")
            layer.in_channels, layer.out_channels, layer.groups = w_in, w_out, groups
            _reshape(layer, w_out, w_in // groups, *layer.kernel_size)
        elif isinstance(layer, nn.Linear) and own <= {"weight", "bias"}:
            layer.in_features = scaled(layer.in_features)
            layer.out_features = layer.out_features if layer is last else scaled(layer.out_features)
            _reshape(layer, layer.out_features, layer.in_features)
        elif isinstance(layer, _BatchNorm):
            layer.num_features = scaled(layer.num_features)
            for key, tensor in (*layer.named_parameters(), *layer.named_buffers()):
                if tensor.ndim:
                    _replace(layer, key, tensor, layer.num_features)
        elif own:
            raise UserError(f"its layer {name or 'itself'} is a {type(layer).__name__}, whose width is fixed")


def _reshape(layer: nn.Conv2d | nn.Linear, width: int, *rest: int) -> None:
    _replace(layer, "weight", layer.weight, width, *rest)
    if layer.bias is not None:
        _replace(layer, "bias", layer.bias, width)


def _replace(layer: nn.Module, key: str, old: Tensor, *shape: int) -> None:
    new: Tensor = torch.empty(shape, dtype=old.dtype, device="meta")
    setattr(layer, key, nn.Parameter(new) if isinstance(old, nn.Parameter) else new)


def take_channels(network: nn.Module, in_channels: int) -> None:
    """Let a network made for three channels take another number: its first filters, cut or repeated."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            if layer.in_channels != in_channels:
                times = math.ceil(in_channels / layer.in_channels)
                filters = layer.weight.detach().repeat(1, times, 1, 1)[:, :in_channels]
                layer.in_channels, layer.weight = in_channels, nn.Parameter(filters.clone())
            return
