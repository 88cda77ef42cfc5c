"""The regimes that regimes.py compares: what is trained, on what, for how long. They are data.

All but the first differ from another one in one factor. The networks of one space and window are the same in
all that have this window, stages and stem, so that rankings can be compared network by network; the reference
of each is the training of the same networks for eight passes in batches of 32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

SEED = 1001  # not that of a study, so that the choice does not colour its result
SPACES = ("anynetx_c", "anynetx_d", "anynetx_e", "regnetx")
RANKED = SPACES[1:]  # whose networks are trained eight times as long, too
LONG_EPOCHS = 8
MAX_CORE_HOURS = 20.0  # of processor time, over all sessions


@dataclass(frozen=True)
class Regime:
    """What is trained, on what, for how long."""

    name: str
    data: str = "cifar10"  # or fashion_mnist
    stages: int = 3
    stem: tuple[int, int] = (8, 1)  # width and stride
    flops: tuple[float, float] = (3.6e6, 4.0e6)
    batch_size: int = 32
    lr: float = 0.05
    epochs: int = 1

    @property
    def networks(self) -> tuple[object, ...]:
        """Regimes with the same value train the same networks."""
        return self.data, self.stages, self.stem, self.flops

    @property
    def maps(self) -> list[int]:
        """Pixels, along one side, of the output of each stage."""
        return [32 // self.stem[1] // 2 ** (i + 1) for i in range(self.stages)]


BASE = Regime("base")


def long(regime: Regime) -> Regime:
    """The reference of all regimes with these networks."""
    return replace(regime, name=f"{regime.name}_long", batch_size=32, lr=0.05, epochs=LONG_EPOCHS)


BATCH_128 = replace(BASE, name="batch_128", batch_size=128, lr=0.1)
SMALLER = replace(BASE, name="2mf", flops=(1.8e6, 2.0e6))
STRIDE_2 = replace(BASE, name="stem_stride_2", stem=(16, 2), flops=(1.8e6, 2.0e6))
FASHION = Regime("fashion_mnist", "fashion_mnist", 4, (16, 2), (0.9e6, 1.0e6), 128, 0.1)


@dataclass(frozen=True)
class Part:
    """Networks of each of some spaces that are trained in a regime; parts are worked off in their order."""

    regime: Regime
    spaces: tuple[str, ...] = SPACES
    models: int = 12
    repeats: tuple[int, ...] = (0,)  # 0: with the seed of the study; above: with others, for the noise


PARTS = (  # the first answers first, then the cheapest
    Part(BASE),
    Part(long(BASE), RANKED),
    Part(BATCH_128),
    Part(FASHION),
    Part(replace(FASHION, name="fashion_mnist_batch_32", batch_size=32, lr=0.05)),
    Part(replace(BASE, name="1mf", flops=(0.9e6, 1.0e6))),
    Part(STRIDE_2),
    Part(SMALLER),
    Part(replace(BASE, name="batch_64", batch_size=64, lr=0.07)),
    Part(replace(BASE, name="four_stages", stages=4)),
    Part(BASE, ("anynetx_e", "regnetx"), 10, (1, 2)),
    Part(long(SMALLER), RANKED),
    Part(replace(SMALLER, name="2mf_2_passes", epochs=2)),
    Part(long(STRIDE_2), RANKED),
    Part(replace(BASE, name="2_passes", epochs=2)),
    Part(long(FASHION), RANKED),
    Part(BASE, models=40),
    Part(replace(BASE, name="batch_128_4_passes", batch_size=128, lr=0.1, epochs=4)),
)
