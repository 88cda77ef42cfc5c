"""What the paper prints of other networks: ImageNet at 224 pixels (EfficientNets at their own). No torch."""

from __future__ import annotations

from dataclasses import dataclass

from designspace.networks.names import parse_reference


@dataclass(frozen=True)
class Published:
    """A row of the tables 2 to 6 of "Designing Network Design Spaces", and of those they cite."""

    model: str  # as printed
    name: str | None  # in timm or torchvision; None: in neither
    flops_b: float  # billions of multiply-adds
    params_m: float | None  # millions
    error: (
        float  # top-1 percent, after 100 epochs of the paper's recipe; of the mobile regime as first reported
    )


PUBLISHED = (
    Published("MobileNet", "mobilenetv1_100", 0.57, 4.2, 29.4),
    Published("MobileNet-V2", "mobilenetv2_140", 0.59, 6.9, 25.3),
    Published("ShuffleNet", None, 0.52, None, 26.3),
    Published("ShuffleNet-V2", "shufflenet_v2_x2_0", 0.59, None, 25.1),
    Published("NASNet-A", None, 0.56, 5.3, 26.0),
    Published("AmoebaNet-C", None, 0.57, 6.4, 24.3),
    Published("PNASNet-5", None, 0.59, 5.1, 25.8),
    Published("DARTS", None, 0.57, 4.7, 26.7),
    Published("RegNetX-200MF", "regnetx_002", 0.2, 2.7, 31.1),
    Published("RegNetX-400MF", "regnetx_004", 0.4, 5.2, 27.3),
    Published("RegNetX-600MF", "regnetx_006", 0.6, 6.2, 25.9),
    Published("RegNetY-400MF", "regnety_004", 0.4, 4.3, 25.9),
    Published("RegNetY-600MF", "regnety_006", 0.6, 6.1, 24.5),
    Published("EfficientNet-B0", "efficientnet_b0", 0.4, 5.3, 24.9),
    Published("EfficientNet-B1", "efficientnet_b1", 0.7, 7.8, 24.1),
    Published("EfficientNet-B2", "efficientnet_b2", 1.0, 9.2, 23.4),
    Published("EfficientNet-B3", "efficientnet_b3", 1.8, 12.0, 22.5),
    Published("EfficientNet-B4", "efficientnet_b4", 4.2, 19.0, 21.2),
    Published("EfficientNet-B5", "efficientnet_b5", 9.9, 30.0, 21.5),
    Published("ResNet-50", "resnet50", 4.1, 25.6, 23.2),  # prints 22.6 M parameters
    Published("ResNet-101", "resnet101", 7.8, 44.5, 21.4),  # prints 44.6
    Published("ResNet-152", "resnet152", 11.5, 60.2, 20.9),
    Published("ResNeXt-50", "resnext50_32x4d", 4.2, 25.0, 21.9),
    Published("ResNeXt-101", "resnext101_32x4d", 8.0, 44.2, 20.7),
    Published("ResNeXt-152", "resnext152_32x4d", 11.7, 60.0, 20.4),
)
UNBUILT = tuple(row for row in PUBLISHED if row.name is None)


def published_error(label: str) -> float | None:
    """The printed ImageNet error of a network that is not narrowed; None where there is none."""
    reference = parse_reference(label)
    errors = {row.name: row.error for row in PUBLISHED}
    return errors.get(reference.name) if reference.width == 1 else None
