"""Compare design spaces of convolutional networks by the error distributions of sampled populations.

What notebooks need is offered here, and imported when it is first used:

    import designspace as ds

    study = ds.analyze(ds.read_study("results/fashion_mnist"))
    ds.figure(study, "edf")
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_OFFERED = {
    "api": ("sample_space", "read_study", "figure", "table", "what_if", "sentence", "complexity"),
    "spaces.load": ("available_spaces", "load_space"),
    "analysis.study": ("analyze",),
    "export.load": ("load_network", "predict"),
    "analysis.width_fit": ("fit_widths",),
}
_MODULES = {name: module for module, names in _OFFERED.items() for name in names}

__all__ = ["__version__", *_MODULES]  # names that __getattr__ finds


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'designspace' has no attribute {name!r}")
    return getattr(importlib.import_module(f"designspace.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
