"""Make the data set that comes with the package: 8,000 + 4,000 images of Fashion-MNIST's training split.

Class-balanced, and parts of the training and validation images of `data=fashion_mnist` respectively; 4,000
images of the published test split go into a file of their own. The same input gives the same files, byte for
byte (with the same zlib). After a change, copy the printed sha256 to EMBEDDED_SHA256 and
EMBEDDED_TEST_SHA256 in designspace/data/sources.py.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from designspace.data.sets import IN_MEMORY_SETS
from designspace.data.sources import (
    DEBIAN_FASHION_MNIST,
    EMBEDDED_FILE,
    EMBEDDED_SHA256,
    EMBEDDED_TEST_SHA256,
    FASHION_MNIST_TEST_FILES,
    IntArray,
    content_sha256,
    find_idx_files,
    hold_out,
    read_idx,
    read_npz,
    sha256_of,
)
from designspace.data.test_split import PUBLISHED
from designspace.errors import UserError


def draw(labels: IntArray, rows: IntArray, count: int) -> IntArray:
    """`count` of the rows, equally many of each class."""
    return rows[hold_out(labels[rows], count).val]


def make(source: Path, output: Path) -> str:
    """Write the npz file and return the sha256 of its content."""
    files = find_idx_files([source])
    if files is None:
        raise UserError(f"--source: no idx files of Fashion-MNIST's training split in {str(source)!r}")
    images, labels = read_idx(files[0]), read_idx(files[1])
    small, full = IN_MEMORY_SETS["fashion_mnist_small"], IN_MEMORY_SETS["fashion_mnist"]
    split = hold_out(labels.astype(np.int64), full.num_val)
    train = draw(labels.astype(np.int64), split.train, small.num_train_split - small.num_val)
    val = draw(labels.astype(np.int64), split.val, small.num_val)
    np.savez_compressed(
        output,
        train_images=images[train],
        train_labels=labels[train],
        train_rows=train.astype("<u2"),  # rows of the published training split
        val_images=images[val],
        val_labels=labels[val],
        val_rows=val.astype("<u2"),
    )
    return content_sha256(read_npz(output))


def make_test(source: Path, output: Path) -> str:
    """Write the npz file of test images and return the sha256 of its content."""
    files = find_idx_files([source], FASHION_MNIST_TEST_FILES)
    if files is None:
        raise UserError(f"--source: no idx files of Fashion-MNIST's test split in {str(source)!r}")
    images, labels = read_idx(files[0]), read_idx(files[1])
    rows = hold_out(labels.astype(np.int64), PUBLISHED["fashion_mnist_small"]).val
    np.savez_compressed(
        output,
        test_images=images[rows],
        test_labels=labels[rows],
        test_rows=rows.astype("<u2"),  # rows of the published test split
    )
    return sha256_of(images[rows], labels[rows].astype(np.int64))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source", type=Path, default=DEBIAN_FASHION_MNIST, help="folder of the idx files (%(default)s)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=EMBEDDED_FILE,
        help="file to write, .npz; that of the test images is called ..._test.npz (%(default)s)",
    )
    options = parser.parse_args()
    test = options.output.with_name(f"{options.output.stem}_test.npz")
    try:
        made = {options.output: (make(options.source, options.output), EMBEDDED_SHA256)}
        made[test] = make_test(options.source, test), EMBEDDED_TEST_SHA256
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for path, (sha256, expected) in made.items():
        note = "as expected" if sha256 == expected else f"differs from {expected}"
        print(f"{path}: {path.stat().st_size} bytes, content sha256 {sha256} ({note})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
