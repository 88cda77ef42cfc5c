"""The data sets there are, and their constants."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InMemorySet:
    """Constants of a small data set. Its validation images come out of the published training split."""

    num_classes: int
    num_train_split: int  # images of the training split, of which the validation images are held out
    num_val: int  # images held out unless `val_images` says otherwise
    mean: tuple[float, ...]  # per channel, of pixels in [0, 1]
    std: tuple[float, ...]
    split_is_fixed: bool = False  # the package brings the validation images apart


_GREY = ((0.2860,), (0.3530,))
IN_MEMORY_SETS = {
    "fashion_mnist_small": InMemorySet(10, 12_000, 4_000, *_GREY, split_is_fixed=True),
    "fashion_mnist": InMemorySet(10, 60_000, 10_000, *_GREY),
    "cifar10": InMemorySet(10, 50_000, 5_000, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": InMemorySet(100, 50_000, 5_000, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
FOLDER_SETS = ("image_folder", "imagenet")
NPZ = "npz"
LOOKED_AT_SETS = ("image_folder", NPZ)  # whose classes nobody knows before
DATA_NAMES = (*IN_MEMORY_SETS, *FOLDER_SETS, NPZ)
IMAGENET_CLASSES = 1000
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
CLASS_NAMES = {
    "fashion_mnist_small": _CLOTHES,
    "fashion_mnist": _CLOTHES,
    "cifar10": (*("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),),
}
