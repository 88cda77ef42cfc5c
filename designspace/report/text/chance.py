"""What is said first where no model has learnt anything."""

from __future__ import annotations

from designspace.analysis.chance import AgainstChance


def chance_sentences(found: AgainstChance | None) -> list[str]:
    """One, where no model is shown to be better than chance; else none."""
    if found is None or not found.none_is_better:
        return []
    of = "The model is" if found.models == 1 else f"None of the {found.models:,} models is"
    no = " not" if found.models == 1 else ""
    return [
        f"{of}{no} shown to be better than chance, whose error is {found.chance:.2f} %: that of naming the "
        "largest class every time (binomial tests, Holm's correction). Whatever tells them apart may be "
        "luck: train longer or in smaller batches, or look at the labels."
    ]
