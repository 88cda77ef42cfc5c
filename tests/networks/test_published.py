"""Published networks: their printed complexity, and the logits of timm's modules with the same weights."""

import csv
from functools import cache
from pathlib import Path

import pytest
import timm
import torch
from counting import count
from torch import nn

from designspace.networks.architecture import Architecture, Architectures
from designspace.networks.complexity import complexity
from designspace.networks.counting import Cost, module_complexity
from designspace.networks.module import AnyNet
from designspace.networks.names import Reference
from designspace.networks.published import PUBLISHED, published_error
from designspace.networks.reference import reference_cost

TABLES = Path(__file__).parents[1] / "reference"
IMAGENET = {"resolution": 224, "num_classes": 1000}
RESNETS = {
    "ResNet-50": "resnet50",
    "ResNet-101": "resnet101",
    "ResNet-152": "resnet152",
    "ResNeXt-50": "resnext50_32x4d",
    "ResNeXt-101": "resnext101_32x4d",
    "ResNeXt-152": "resnext152_32x4d",  # not a name of timm's
}
MISPRINTS = {("ResNet-50", "params_m"): "25.6", ("ResNet-101", "params_m"): "44.5"}


def table(name: str) -> dict[str, dict[str, str]]:
    with (TABLES / f"{name}.csv").open() as file:
        return {row["model"]: row for row in csv.DictReader(file)}


REGNETS = {
    model: row
    for name in ("regnetx", "efficientnet_vs_regnety")
    for model, row in table(name).items()
    if model.startswith("RegNet")
}


def timm_name(regnet: str) -> str:
    """RegNetX-400MF -> regnetx_004, RegNetX-12GF -> regnetx_120."""
    family, size = regnet.lower().split("-")
    hundreds = float(size[:-2]) * {"mf": 0.01, "gf": 10}[size[-2:]]
    return f"{family}_{round(hundreds):03d}"


@cache
def timm_shape(name: str) -> nn.Module:
    """The network without weights."""
    with torch.device("meta"):
        if name == "resnext152_32x4d":
            blocks = {"block": timm.models.resnet.Bottleneck, "layers": (3, 8, 36, 3)}
            return timm.models.ResNet(**blocks, cardinality=32, base_width=4)
        return timm.create_model(name, pretrained=False)


def architecture_of(regnet: nn.Module, block: str) -> Architecture:
    """Depths, widths, bottleneck ratios and group widths, read from the layers of timm's module."""
    stages = [list(getattr(regnet, f"s{i}").children()) for i in (1, 2, 3, 4)]
    widths = tuple(blocks[0].conv3.conv.out_channels for blocks in stages)
    convs = [blocks[0].conv2.conv for blocks in stages]
    return Architecture(
        block,
        depths=tuple(len(blocks) for blocks in stages),
        widths=widths,
        bottleneck_ratios=tuple(w / conv.out_channels for w, conv in zip(widths, convs, strict=True)),
        group_widths=tuple(conv.in_channels // conv.groups for conv in convs),
    )


def assert_as_printed(cost: Cost, row: dict[str, str]) -> None:
    counted = {"flops_b": cost.flops / 1e9, "params_m": cost.params / 1e6, "acts_m": cost.acts / 1e6}
    printed = {column: MISPRINTS.get((row["model"], column), row[column]) for column in counted}
    assert {column: f"{value:.1f}" for column, value in counted.items()} == printed


@pytest.mark.parametrize("model", REGNETS)
def test_regnet_costs_what_the_paper_prints(model: str) -> None:
    network = architecture_of(timm_shape(timm_name(model)), block=model[6].lower())
    cost = complexity(Architectures.of(network), **IMAGENET)
    counts = Cost(cost.flops.item(), cost.params.item(), cost.acts.item())
    assert_as_printed(counts, REGNETS[model])
    assert counts == count(timm_shape(timm_name(model)), 224)


@pytest.mark.parametrize("model", RESNETS)
def test_resnets_check_the_way_of_counting(model: str) -> None:
    assert_as_printed(count(timm_shape(RESNETS[model]), 224), table("resnet_resnext")[model])


@pytest.mark.parametrize("model", table("complexity_exact"))
def test_any_module_costs_exactly_what_the_released_code_counts(model: str) -> None:
    """Which counts a max pool, that of the ResNets; and a bias, as a multiply-add."""
    published = {key: int(table("complexity_exact")[model][key]) for key in ("flops", "params", "acts")}
    if model.startswith("RegNet"):
        name = timm_name(model)
    else:
        name = RESNETS[model.removesuffix("-32x4d")]
        published["acts"] -= 64 * 56 * 56
    assert module_complexity(timm_shape(name), resolution=224) == Cost(**published)


def test_what_is_cited_is_what_is_printed() -> None:
    names = ("mobile_600mf", "resnet_resnext", "regnetx", "efficientnet_vs_regnety")
    printed = {model: row for name in names for model, row in table(name).items()}
    for cited in PUBLISHED:
        row = printed[cited.model]
        params = MISPRINTS.get((cited.model, "params_m"), row["params_m"])
        assert (cited.flops_b, cited.error) == (float(row["flops_b"]), float(row["top1_error"])), cited
        assert cited.params_m == (float(params) if params else None)
        if cited.name is not None:
            if cited.params_m is not None and cited.params_m < 7:  # the others take longer to build
                cost = reference_cost(Reference(cited.name), num_classes=1000)
                assert cost.params / 1e6 == pytest.approx(cited.params_m, abs=0.9), cited
            assert cited.error == published_error(f"{cited.name} small stem")
            assert published_error(f"{cited.name} x0.5") is None


def test_the_misprints_are_still_in_the_table() -> None:
    assert all(table("resnet_resnext")[model][column] != true for (model, column), true in MISPRINTS.items())


@pytest.mark.parametrize("name", ["regnetx_002", "regnetx_004", "regnety_004"])
def test_logits_of_timm_with_the_same_weights(name: str) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(name, pretrained=False, zero_init_last=False).eval()
    for module in theirs.modules():  # so that BatchNorm is more than the identity
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0.0, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    ours = AnyNet(architecture_of(theirs, block=name[6]), num_classes=1000).eval()
    pairs = zip(ours.state_dict(), theirs.state_dict().values(), strict=True)
    ours.load_state_dict(dict(pairs))
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        logits, expected = ours(images), theirs(images)
    assert expected.std() > 1e-3
    assert (logits - expected).abs().max() <= 1e-5
