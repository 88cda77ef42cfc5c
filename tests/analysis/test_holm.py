"""Holm's correction against worked examples."""

import numpy as np

from designspace.analysis.holm import holm


def test_holm_on_a_textbook_example() -> None:
    corrected = holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005]))
    np.testing.assert_allclose(corrected, [0.03, 0.06, np.nan, 0.06, 0.02])


def test_no_tests() -> None:
    assert holm(np.zeros(0)).tolist() == []
    assert np.isnan(holm(np.array([np.nan, np.nan]))).all()
