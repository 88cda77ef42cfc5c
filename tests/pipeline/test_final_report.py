"""The section of the report on final trainings: numbers of the records, in table, words and figures."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from designspace.analysis.final import Curve, FinalNetwork
from designspace.pipeline.final_table import read_finals
from designspace.report.final_figure import final_curves_figure, final_figure
from designspace.report.tables.final import final_networks_table
from designspace.report.text.final import final_statements
from designspace.store.paths import StudyFolder
from designspace.store.records import read_record


@pytest.fixture
def networks(finished: Path) -> tuple[FinalNetwork, ...]:
    return read_finals(StudyFolder(finished / "study"))


def published(**changes: float) -> FinalNetwork:
    network = FinalNetwork(
        name="regnetx_002", folder="final", space="mobile", published=True, flops=2e8, params=2e6, acts=2e6,
        epochs=100, batch_size=128, seeds=5, test_error=31.0, test_std=0.1, test_images=100, looks=1,
        val_error=float("nan"), train_seconds=10.0, curves=(Curve((2.0, 1.0), (40.0, 30.0)),),
    )  # fmt: skip
    return replace(network, **changes)  # type: ignore[arg-type]


def test_what_is_read_is_what_was_recorded(finished: Path, networks: tuple[FinalNetwork, ...]) -> None:
    final = finished / "study" / "final"
    records = {path.stem: read_record(path) for path in (final / "runs").glob("*.json")}
    assert len(networks) == 2
    for network in networks:
        own = [record for key, record in records.items() if key.startswith(network.name)]
        errors = [record.test.error for record in own if record.test is not None]
        assert network.test_error == pytest.approx(sum(errors) / 2)
        assert network.test_std == pytest.approx(pd.Series(errors).std())
        assert {curve.train_losses for curve in network.curves} == {
            tuple(epoch.train_loss for epoch in record.history) for record in own
        }
        assert (network.batch_size, network.seeds, network.epochs) == (20, 2, 2)


def test_the_table_is_in_the_papers_order_with_what_the_paper_prints(
    networks: tuple[FinalNetwork, ...],
) -> None:
    table = final_networks_table([published(), *networks])
    assert list(table["flops"]) == sorted(table["flops"])
    last = table.iloc[-1]
    assert (last["network"], last["published_imagenet_error"]) == ("regnetx_002", 31.1)
    # Wilson's interval of 31 of 100, by hand: (0.31 + z2 / 200 -+ z sqrt(...)) / (1 + z2 / 100).
    assert (last["test_low"], last["test_high"]) == pytest.approx((22.78, 40.63), abs=0.01)


def test_the_best_of_the_spaces_stands_beside_the_best_published_one(
    networks: tuple[FinalNetwork, ...],
) -> None:
    (sentence,) = final_statements([*networks, published(), published(test_error=float("nan"))])
    best = min(networks, key=lambda network: (network.test_error, network.name))
    assert "4 networks trained properly, 3 of them tested." in sentence
    assert f"that of {best.name} of tiny: {best.test_error:.2f}" in sentence
    assert "that of regnetx_002 of mobile: 31.00 +- 0.10 % over 5 seeds (22.78 to 40.63 for" in sentence
    assert final_statements([published(test_error=float("nan"))]) == (
        "1 network trained properly; none is tested.",
    )


def test_figures_show_every_tested_network_and_every_training(networks: tuple[FinalNetwork, ...]) -> None:
    everything = [*networks, published(), published(test_error=float("nan"), curves=())]
    costs = final_figure(everything).axes
    assert [text.get_text() for text in costs[0].texts] == [*(n.name for n in networks), "regnetx_002"]
    losses, errors = final_curves_figure(everything).axes
    assert len(losses.get_lines()) == 5
    assert [list(line.get_ydata()) for line in errors.get_lines()][-1] == [40.0, 30.0]
    final_figure([]).draw_without_rendering()
    final_curves_figure([]).draw_without_rendering()
