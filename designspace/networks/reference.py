"""Published networks by their names: our own small ones, timm's and torchvision's; never pretrained."""

from __future__ import annotations

import difflib
import importlib.util
from typing import Any

import torch
from torch import nn
from torchvision import models

from designspace.errors import UserError
from designspace.networks.adapt import MisfitError, fit_stem, narrow, smallest_resolution, take_channels
from designspace.networks.classics import OWN
from designspace.networks.counting import Cost, module_complexity
from designspace.networks.module import initialize
from designspace.networks.names import Reference, parse_reference


class UnfitError(UserError):
    """A network cannot be narrowed by its factor, work on images so small, or be built without timm."""


# Arguments of torchvision's, so that a network gives one output when it is trained, and says nothing.
AUXILIARY = {
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}
DEFAULT_RESOLUTION = 224  # pixels


def build_reference(
    reference: Reference | str,
    *,
    num_classes: int,
    in_channels: int = 3,
    resolution: int = DEFAULT_RESOLUTION,
    zero_init_residual: bool = False,
    seed: int | None = None,
) -> nn.Module:
    """The network with its library's initialisation, drawn from `seed`; the global random state is kept.

    One that is narrowed has the initialisation of our own networks. timm zeroes the last BatchNorm of
    residual blocks in some families (ResNet, RegNet) by default; here `zero_init_residual` decides, as in our
    own networks. Only a small stem asks for the `resolution`.

    Raises:
        UserError: there is no such network, or it cannot be narrowed or work on such images.
    """
    reference = parse_reference(reference) if isinstance(reference, str) else reference
    with torch.random.fork_rng(devices=[]):
        if seed is None:
            torch.default_generator.seed()
        else:
            torch.default_generator.manual_seed(seed)
        if reference.width == 1:
            network = _published(reference, num_classes, in_channels)
        else:
            network = _shape(reference, num_classes, in_channels).to_empty(device="cpu")
            initialize(network)
    _set_zero_init(network, zero_init_residual)
    if reference.stem == "small":
        _fit(network, reference, resolution, in_channels)
    return network


def reference_cost(
    reference: Reference, *, num_classes: int, in_channels: int = 3, resolution: int = DEFAULT_RESOLUTION
) -> Cost:
    """What one image costs in the network, which is built without weights.

    Raises:
        UserError: as in `build_reference`; or the network as published cannot work on such images.
    """
    shape = _shape(reference, num_classes, in_channels)
    _fit(shape, reference, resolution, in_channels)
    return module_complexity(shape, resolution=resolution, in_channels=in_channels)


def _shape(reference: Reference, num_classes: int, in_channels: int) -> nn.Module:
    """The network without weights, with the strides as published."""
    with torch.device("meta"):
        shape = _published(reference, num_classes, in_channels)
    if reference.width != 1:
        try:
            narrow(shape, reference.width, in_channels=in_channels)
            fit_stem(shape, "as_published", resolution=DEFAULT_RESOLUTION, in_channels=in_channels)
        except (UserError, MisfitError) as error:
            raise UnfitError(
                f"network={reference.label}: cannot be narrowed by this factor: {error}"
            ) from None
    return shape


def _fit(network: nn.Module, reference: Reference, resolution: int, in_channels: int) -> None:
    try:
        fit_stem(network, reference.stem, resolution=resolution, in_channels=in_channels)
    except MisfitError as misfit:
        fresh = _shape(reference, 2, in_channels)
        found = smallest_resolution(fresh, reference.stem, above=resolution, in_channels=in_channels)
        least = "no resolution works" if found is None else f"the smallest that works is {found}"
        raise UnfitError(
            f"network={reference.label}: cannot work at budget.resolution={resolution}: {misfit}; {least}"
        ) from None


def _published(reference: Reference, num_classes: int, in_channels: int) -> nn.Module:
    name, source = reference.name, reference.source
    network: nn.Module
    if source is None and name in OWN:
        network = OWN[name](num_classes, in_channels)
    elif source != "torchvision" and _has_timm() and _timm().is_model(name):
        network = _timm().create_model(name, pretrained=False, num_classes=num_classes, in_chans=in_channels)
    elif source != "timm" and name in _torchvision_names():
        arguments = AUXILIARY.get(name, {})
        network = models.get_model(name, weights=None, num_classes=num_classes, **arguments)
    else:
        raise _unknown(reference)
    take_channels(network, in_channels)
    return network


def known_names(source: str | None = None) -> list[str]:
    """The names that a source has; of all of them where there is none."""
    names = set(_torchvision_names()) if source != "timm" else set()
    if source != "torchvision" and _has_timm():
        names |= set(_timm().list_models())
    return sorted(names | (set(OWN) if source is None else set()))


def _torchvision_names() -> list[str]:
    names: list[str] = models.list_models(module=models)
    return names


def _has_timm() -> bool:
    return importlib.util.find_spec("timm") is not None


def _timm() -> Any:
    import timm

    return timm


def _unknown(reference: Reference) -> UserError:
    if reference.source != "torchvision" and not _has_timm():
        return UnfitError(f"network={reference.label}: unknown without timm: pip install designspace[models]")
    close = difflib.get_close_matches(reference.name.lower(), known_names(reference.source), n=3)
    hint = f"did you mean {', '.join(close)}?" if close else "timm.list_models() lists the names"
    return UserError(f"network={reference.label}: unknown; {hint}")


@torch.no_grad()
def _set_zero_init(network: nn.Module, zero_init_residual: bool) -> None:
    """Zero the last BatchNorm of each block that can (`zero_init_last`), or undo it."""
    for block in network.modules():
        if zero_init_residual and isinstance(block, (models.resnet.BasicBlock, models.resnet.Bottleneck)):
            [*(norm for norm in block.children() if isinstance(norm, nn.BatchNorm2d))][-1].weight.zero_()
        zero_init_last = getattr(block, "zero_init_last", None)
        if not callable(zero_init_last):
            continue
        if zero_init_residual:
            zero_init_last()
        for norm in block.modules():
            if not zero_init_residual and isinstance(norm, nn.BatchNorm2d) and not norm.weight.any():
                norm.weight.fill_(1.0)
