"""Published networks by name: their printed sizes, and what is done to them for small images and budgets."""

import csv
from pathlib import Path

import pytest
import torch
from torch import nn

from designspace.errors import UserError
from designspace.networks.build import build_network
from designspace.networks.names import Reference, parse_reference
from designspace.networks.reference import build_reference, reference_cost

EXACT = Path(__file__).parents[1] / "reference" / "complexity_exact.csv"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("alexnet", Reference("alexnet")),
        ("timm:resnet50.a1_in1k x0.25", Reference("resnet50.a1_in1k", "timm", 0.25)),
        ("torchvision:vgg11 small stem", Reference("vgg11", "torchvision", stem="small")),
        ("resnet20 x0.5 small stem", Reference("resnet20", width=0.5, stem="small")),
    ],
)
def test_labels_are_read_and_written(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference
    assert reference.label == text
    assert len({reference.model_id, Reference("alexnet", stem="small").model_id}) == 2


@pytest.mark.parametrize(
    "text", ["", "resnet 18", "resnet18 x0", "resnet18 0.25", "hf-hub:a/b", "resnet18 x9"]
)
def test_labels_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match=f"^network={text}: "):
        parse_reference(text)


@pytest.mark.parametrize(
    ("name", "num_classes", "in_channels", "printed"),
    [
        ("lenet5", 10, 1, 0.06),
        ("vgg_c", 1000, 3, 134),
        *(
            (f"{kind}{depth}", 10, 3, p)
            for kind in ("resnet", "plain")
            for depth, p in ((20, 0.27), (56, 0.85))
        ),
        ("resnet110", 10, 3, 1.7),
    ],
)
def test_our_own_have_the_printed_parameters(
    name: str, num_classes: int, in_channels: int, printed: float
) -> None:
    """LeCun et al. 1998; Simonyan and Zisserman 2015, table 2; He et al. 2016, table 6: in millions."""
    cost = reference_cost(Reference(name), num_classes=num_classes, in_channels=in_channels, resolution=32)
    digits = len(str(printed).partition(".")[2])
    assert round(cost.params / 1e6, digits) == printed


def test_resnext152_costs_what_the_released_code_counts() -> None:
    with EXACT.open() as file:
        row = next(row for row in csv.DictReader(file) if row["model"] == "ResNeXt-152-32x4d")
    cost = reference_cost(Reference("resnext152_32x4d"), num_classes=1000)
    assert (cost.flops, cost.params) == (int(row["flops"]), int(row["params"]))
    assert cost.acts == int(row["acts"]) - 64 * 56 * 56  # of the max pool


def test_a_small_stem_is_the_usual_change_to_resnet18() -> None:
    """3 stages with stride, 0.56 billion multiply-adds at 32 pixels; stages that see 4 x 4 at the end."""
    network = build_reference("resnet18 small stem", num_classes=10, resolution=32, seed=0)
    sides = []
    for stage in (network.layer1, network.layer4):
        stage.register_forward_hook(lambda layer, x, y: sides.append(tuple(y.shape[-2:])))
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert sides == [(32, 32), (4, 4)]
    cost = reference_cost(Reference("resnet18", stem="small"), num_classes=10, resolution=32)
    assert round(cost.flops / 1e9, 2) == 0.56
    unchanged = build_reference("resnet18", num_classes=10, seed=0)
    assert all(map(torch.equal, network.parameters(), unchanged.parameters()))


@pytest.mark.parametrize(
    "name", ["mobilenetv2_100", "shufflenet_v2_x0_5", "squeezenet1_1", "regnety_002", "resnet26d"]
)
def test_a_small_stem_leaves_maps_of_four_pixels(name: str) -> None:
    network = build_reference(f"{name} small stem", num_classes=3, in_channels=1, resolution=28, seed=0)
    sides = []
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)) and layer.kernel_size not in (1, (1, 1)):
            layer.register_forward_hook(lambda layer, x, y: sides.append(y.shape[-1]))
    network(torch.randn(2, 1, 28, 28)).sum().backward()
    assert 4 <= sides[-1] <= 7


def test_a_dense_layer_written_as_a_convolution_is_no_map() -> None:
    """The same VGG, but for how its first dense layer is written."""
    image = {"num_classes": 10, "resolution": 32}
    one, other = (
        reference_cost(Reference("vgg11", source, stem="small"), **image)
        for source in ("timm", "torchvision")
    )
    assert one == other


def test_images_too_small_are_refused_with_the_layer_and_the_size_that_works() -> None:
    image = {"num_classes": 10, "in_channels": 3}
    with pytest.raises(
        UserError, match=r"budget.resolution=32: layer features.12 .MaxPool2d.: .* works is 63$"
    ) as error:
        reference_cost(Reference("alexnet"), **image, resolution=32)
    assert "\n" not in str(error.value)
    reference_cost(Reference("alexnet"), **image, resolution=63)
    with pytest.raises(UserError, match=r"budget.resolution=62"):
        reference_cost(Reference("alexnet"), **image, resolution=62)
    with pytest.raises(UserError, match=r"the last map has 3 x 3 .*the smallest that works is 4$"):
        reference_cost(Reference("resnet18", stem="small"), **image, resolution=3)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("resnet20", 0.25),
        ("seresnext50_32x4d", 0.25),
        ("densenet121", 0.25),
        ("googlenet", 0.5),
    ],
)
def test_a_factor_narrows_every_layer(name: str, factor: float) -> None:
    full = build_reference(name, num_classes=7, seed=0)
    narrow = build_reference(f"{name} x{factor}", num_classes=7, seed=0)
    with torch.no_grad():
        assert narrow.eval()(torch.randn(1, 3, 64, 64)).shape == (1, 7)
    norms = [[m.num_features for m in n.modules() if isinstance(m, nn.BatchNorm2d)] for n in (full, narrow)]
    assert norms[1] == [factor * width for width in norms[0]]
    assert all(p.isfinite().all() for p in narrow.parameters())
    convs = [[m for m in n.modules() if isinstance(m, nn.Conv2d) and m.groups > 1] for n in (full, narrow)]
    for wide, conv in zip(*convs, strict=True):  # fewer groups of the same width
        assert conv.weight.shape[1:] == wide.weight.shape[1:]
        assert conv.groups == factor * wide.groups


@pytest.mark.parametrize(
    ("label", "reason"),
    [("densenet121 x0.3", "denselayer2.conv2"), ("convnext_atto x0.5", "stem.1 is a LayerNorm")],
)
def test_what_cannot_be_narrowed_says_which_layer(label: str, reason: str) -> None:
    with pytest.raises(UserError, match=f"^network={label}: cannot be narrowed by this factor: .*{reason}"):
        build_reference(label, num_classes=10)


@pytest.mark.parametrize("name", ["resnet20", "torchvision:resnet18", "resnet18 x0.25"])
def test_zero_init_residual(name: str) -> None:
    for zero_init in (False, True):
        network = build_network(name, num_classes=2, zero_init_residual=zero_init, seed=0)
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        assert sum(not norm.weight.any() for norm in norms) == zero_init * (9 if "20" in name else 8)
