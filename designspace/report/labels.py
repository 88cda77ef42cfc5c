"""What costs, times and parameters are called in sentences, figures and the page."""

from __future__ import annotations

from designspace.analysis.costs import TIMES

ERROR_LABEL = "top-1 error [%]"
COST_NAMES = {"flops": "flops", "params": "parameters", "acts": "activations"}
TIME_NAMES = {TIMES[0]: "training time", TIMES[1]: "inference time"}
COST_LABELS = {cost: f"{name} [millions]" for cost, name in COST_NAMES.items()}

# Of a column of the parameters, whole or by its first letter for each stage.
PARAMETER_LABELS = {
    "depth": "depth [blocks]",
    "d": "depth of stage {} [blocks]",
    "w": "width of stage {} [channels]",
    "b": "bottleneck ratio b",
    "g": "group width g [channels]",
    "w0": "w0 [channels]",
    "wa": "wa [channels per block]",
    "wm": "wm",
    **COST_LABELS,
    "e_fit": "e_fit",
}


def parameter_label(name: str) -> str:
    """Axis label of a column of the parameters."""
    if name in PARAMETER_LABELS:
        return PARAMETER_LABELS[name]
    text = PARAMETER_LABELS[name[0]]
    return text.format(name[1:]) if "{}" in text else f"{text.split(' [')[0]}, stage {name[1:]}"
