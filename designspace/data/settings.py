"""What a data set is in the configuration (group `data`) and in numbers. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from designspace.errors import UserError

ON_UNREADABLE = ("refuse", "skip")


@dataclass
class DataSettings:
    """The configuration group `data`; `catalog.check_settings` says which values are allowed."""

    name: str = "fashion_mnist_small"  # set by data=...
    root: str | None = None  # folder of the data set, or file of npz; null: where it is usually found
    val_images: int | None = None  # images held out of the training split; null: the data set's own number
    flip: bool = True  # train on random horizontal flips
    crop_padding: int = 0  # pixels of zeros around a training image before a random crop; in-memory sets
    lighting: float = 0.0  # standard deviation of the PCA colour noise; folder sets (0.1 in the paper)
    num_workers: int = 0  # image-reading processes of a folder set (no influence on the images)
    on_unreadable: str = "refuse"  # images of a folder set that cannot be read: refuse to start, or skip them
    val_share: float = 0.2  # of each class, held out for validation where an image_folder has no val/
    test_share: float = 0.2  # of each class, held out for test where an image_folder has no train/ either


@dataclass(frozen=True)
class DataInfo:
    """What the networks and the training need to know of a data set before any image is read."""

    name: str
    num_classes: int
    num_train: int  # images
    num_val: int  # images
    in_channels: int = 3  # grey images are copied to three channels

    def steps_per_epoch(self, batch_size: int) -> int:
        """Whole batches in the training split; the incomplete last one is dropped.

        Raises:
            UserError: there is none.
        """
        if not 1 <= batch_size <= self.num_train:
            raise UserError(
                f"batch_size={batch_size}: must be between 1 and the {self.num_train} training images "
                f"of {self.name}"
            )
        return self.num_train // batch_size
