"""Each Python process that has this folder on its PYTHONPATH takes 4 GB when it trains the model GROWING."""

import os

utime = os.utime
ballast = []


def growing_utime(path, *arguments, **options):
    if str(path).endswith(f"{os.environ['GROWING']}.claim"):  # touched after each step
        ballast.append(b"x" * (4 << 30))
    utime(path, *arguments, **options)


os.utime = growing_utime
