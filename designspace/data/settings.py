"""What a data set is in the configuration (group `data`) and in numbers. No torch."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

from designspace.data.sets import DATA_NAMES, FOLDER_SETS, IN_MEMORY_SETS, NPZ
from designspace.errors import Rule, UserError, broken, shown

ON_UNREADABLE = ("refuse", "skip")
MAX_READERS = 1024  # processes
MAX_PADDING = 32  # pixels: the side of the images
CACHES = ("auto", "on", "off")
AUGMENTATIONS = ("resized_crop", "padded_crop", "flip", "none")


@dataclass
class DataSettings:
    """The configuration group `data`."""

    name: str = "fashion_mnist_small"  # set by data=...
    root: str | None = None  # folder of the data set, or file of npz; null: where it is usually found
    val_images: int | None = None  # images held out of the training split; null: the data set's own number
    augmentation: str | None = None  # of training images; null: usual for the set (resized_crop of folders)
    flip: bool = True  # random horizontal flips as well; not with augmentation=none
    crop_padding: int = 0  # pixels of zeros around an image before a random crop; 0: an eighth of the side
    lighting: float = 0.0  # standard deviation of the PCA colour noise; resized_crop (0.1 in the paper)
    num_workers: int = 0  # image-reading processes of a folder set (no influence on the images)
    cache: str = "off"  # of a folder's decoded images: on, off, or auto: on where they fit into cache_gb
    cache_gb: float = 4.0  # of disk, shared by all workers; on a GPU, memory of each of them
    cache_root: str | None = None  # folder of the cache; null: designspace/decoded in the user's cache folder
    on_unreadable: str = "refuse"  # images of a folder set that cannot be read: refuse to start, or skip them
    val_share: float = 0.2  # of each class, held out for validation where an image_folder has no val/
    test_share: float = 0.2  # of each class, held out for test where an image_folder has no train/ either
    groups: str | None = None  # CSV of path,group: images of a group are held out together, or not at all

    def problems(self, *, needs_images: bool = True) -> list[str]:
        """One line for each invalid value; of the images themselves, only whether `root` is there."""
        known = ("name", self.name in DATA_NAMES, f"one of {', '.join(DATA_NAMES)}")
        if unknown := broken("data", self, [known]):
            return unknown  # alone, since the other rules go by it
        root = _root_rule(self, needs_images=needs_images)
        return broken("data", self, [*_range_rules(self), root, _val_images_rule(self)])


def _range_rules(settings: DataSettings) -> Iterator[Rule]:
    in_folder, skips = settings.name in FOLDER_SETS, settings.on_unreadable == "skip"
    val, test = settings.val_share, settings.test_share
    yield "on_unreadable", settings.on_unreadable in ON_UNREADABLE, " or ".join(ON_UNREADABLE)
    yield "on_unreadable", in_folder or not skips, f"refuse for data={settings.name}"
    yield "cache", settings.cache in CACHES, f"one of {', '.join(CACHES)}"
    yield "cache", in_folder or settings.cache == "off", f"off for data={settings.name}, which is in memory"
    yield "cache_gb", 0 < settings.cache_gb < math.inf, "above 0 and finite"
    yield "num_workers", 0 <= settings.num_workers <= MAX_READERS, f"at least 0 and at most {MAX_READERS}"
    choices = (None, *AUGMENTATIONS)
    yield "augmentation", settings.augmentation in choices, f"one of {', '.join(AUGMENTATIONS)}, or null"
    yield "flip", settings.flip or settings.augmentation != "flip", "true with data.augmentation=flip"
    if in_folder and settings.augmentation != "padded_crop":
        yield "crop_padding", settings.crop_padding == 0, f"0 for data={settings.name} without padded_crop"
    else:
        padding = f"at least 0 and at most {MAX_PADDING} pixels"
        yield "crop_padding", 0 <= settings.crop_padding <= MAX_PADDING, padding
    if in_folder or settings.augmentation == "resized_crop":
        yield "lighting", 0 <= settings.lighting < math.inf, "at least 0 and finite"
    else:
        yield "lighting", settings.lighting == 0, f"0 for data={settings.name} without resized_crop"
    if settings.name == "image_folder":  # the only set that may come undivided
        yield "val_share", 0 < val < 1, "above 0 and below 1"
        left = 1 - val if 0 < val < 1 else 1.0  # else that is the one problem
        yield "test_share", 0 <= test < left, f"at least 0 and below 1 - data.val_share={val}"
        groups = None if settings.groups is None else os.path.expanduser(settings.groups)
        yield "groups", groups is None or os.path.isfile(groups), "an existing CSV file, or null"
    else:
        for key in ("val_share", "test_share", "groups"):
            value = getattr(DataSettings, key)
            needless = f"{shown(value)}, since it has no effect on data={settings.name}"
            yield key, getattr(settings, key) == value, needless


def _root_rule(settings: DataSettings, *, needs_images: bool) -> Rule:
    root = None if settings.root is None else os.path.expanduser(settings.root)  # which leaves ~nobody
    if settings.name == NPZ:
        return "root", root is not None and os.path.isfile(root), "an existing .npz file"
    if settings.name in FOLDER_SETS:
        inside = "train/ and val/" if settings.name == "imagenet" else "the images"
        unseen = settings.name == "imagenet" and not needs_images  # its classes are known without
        fine = unseen or (root is not None and os.path.isdir(root))
        return "root", fine, f"an existing folder with {inside}"
    if settings.name == "fashion_mnist_small":
        return "root", root is None, f"null, since data={settings.name} is part of the package"
    return "root", root is None or os.path.isdir(root), "an existing folder, or null"


def _val_images_rule(settings: DataSettings) -> Rule:
    asked, known = settings.val_images, IN_MEMORY_SETS.get(settings.name)
    if known is None or known.split_is_fixed:
        allowed = f"null, since data={settings.name} brings its own validation images"
        return "val_images", asked is None, allowed
    lowest, highest = known.num_classes, known.num_train_split - known.num_classes
    allowed = f"at least {lowest} and at most {highest} for data={settings.name}, or null"
    return "val_images", asked is None or lowest <= asked <= highest, allowed


@dataclass(frozen=True)
class DataInfo:
    """What the networks and the training need to know of a data set before any image is read."""

    name: str
    num_classes: int
    num_train: int  # images
    num_val: int  # images
    in_channels: int = 3  # grey images are copied to three channels

    def steps_per_epoch(self, batch_size: int, *, drop_last: bool = True) -> int:
        """Batches in the training split: whole ones, and the incomplete last one unless it is dropped.

        One of a single image always is: BatchNorm cannot be trained on it.

        Raises:
            UserError: there is none.
        """
        if not 1 <= batch_size <= self.num_train:
            raise UserError(
                f"batch_size={batch_size}: must be between 1 and the {self.num_train} training images "
                f"of {self.name}"
            )
        steps, left = divmod(self.num_train, batch_size)
        return steps if drop_last or left < 2 else steps + 1

    def images_per_epoch(self, batch_size: int, *, drop_last: bool = True) -> int:
        """Training images in those batches."""
        return min(self.num_train, self.steps_per_epoch(batch_size, drop_last=drop_last) * batch_size)
