import numpy as np
import pandas as pd

from designspace.analysis.parameters import parameter_columns


def table(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns | {"flops": [1, 2], "params": [3, 4], "acts": [5, 6]})


def test_values_all_stages_share_appear_once() -> None:
    columns = parameter_columns(
        table(
            depths=[[1, 2], [3, 4]],
            widths=[[16, 32], [8, 64]],
            bottleneck_ratios=[[2.0, 2.0], [1.0, 1.0]],
            group_widths=[[8, 16], [8, 32]],  # g = 16 and 32, cut to the bottleneck width of stage 1
            wm=[2.0, 2.5],
        )
    )
    assert list(columns) == ["depth", "d1", "d2", "w1", "w2", "b", "g", "wm", "flops", "params", "acts"]
    assert columns["depth"].tolist() == [3, 7]
    assert columns["b"].tolist() == [2, 1]
    assert columns["g"].tolist() == [16, 32]


def test_values_that_differ_appear_by_stage() -> None:
    columns = parameter_columns(
        table(
            depths=[[1, 2], [3, 4]],
            widths=[[16, 32], [8, 64]],
            bottleneck_ratios=[[2.0, 1.0], [1.0, 1.0]],
            group_widths=[[4, 16], [8, 32]],
            w0=[np.nan, np.nan],
        )
    )
    assert "w0" not in columns
    assert columns[["b1", "b2"]].to_numpy().tolist() == [[2, 1], [1, 1]]
    assert columns[["g1", "g2"]].to_numpy().tolist() == [[4, 16], [8, 32]]


def test_networks_with_fewer_stages_have_gaps() -> None:
    columns = parameter_columns(
        table(
            depths=[np.array([1, 2, 5]), np.array([3])],
            widths=[[16, 32, 64], [8]],
            bottleneck_ratios=[[1.0] * 3, [2.0]],
            group_widths=[[1] * 3, [2]],
        )
    )
    assert columns["depth"].tolist() == [8, 3]
    assert columns["d3"].isna().tolist() == [False, True]
    assert columns["b"].tolist() == [1, 2]
