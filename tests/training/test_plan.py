"""What a run will take: the numbers against arithmetic done by hand."""

from dataclasses import replace

import pytest

from designspace.training.plan import Plan, guess_gpu_seconds

PLAN = Plan(
    models=100,
    epochs=10,
    images=50_000,
    data="cifar10",
    at_once=8,
    tasks=None,
    gpus=0.5,
    model_seconds=90.0,
    source="timed on 4 of them",
    mean_params=1.01e6,
)


def test_models_that_train_at_once_share_the_time():
    assert PLAN.wall_seconds == 13 * 90  # 12 rounds of eight and one of four
    assert replace(PLAN, at_once=1).wall_seconds == 9000
    assert replace(PLAN, at_once=200).wall_seconds == 90


def test_gpu_hours_are_of_all_models_and_shared_where_models_share_a_gpu():
    assert PLAN.gpu_hours == pytest.approx(100 * 90 / 3600 / 2)
    assert replace(PLAN, gpus=0.0).gpu_hours == 0


def test_disk_holds_a_record_of_every_model_and_the_checkpoints_of_those_at_work():
    assert PLAN.disk_bytes == 100 * (2_000 + 10 * 150) + 8 * 1.01e6 * 8
    assert replace(PLAN, models=2).disk_bytes == 2 * 3_500 + 2 * 1.01e6 * 8


def test_in_words():
    assert str(PLAN).splitlines() == [
        "100 models, 10 epochs of 50,000 images (cifar10), 8 at once",
        "about 19 min 30 s, 1.2 GPU-hours, 65.0 MB; 90.0 s per model (timed on 4 of them)",
    ]
    cluster = replace(PLAN, epochs=1, tasks=25, gpus=0.0, models=320, model_seconds=3600.0)
    assert str(cluster).splitlines() == [
        "320 models, 1 epoch of 50,000 images (cifar10), 8 at once in 25 tasks",
        "about 1 d 16 h, 65.3 MB; 3,600.0 s per model (timed on 4 of them)",
    ]


def test_the_guess_is_that_of_regnetx_400mf_on_a_v100_whichever_binds():
    assert guess_gpu_seconds(398e6, 3.14e6, 1_060_000) == pytest.approx(1000)
    assert guess_gpu_seconds(796e6, 3.14e6, 1_060_000) == pytest.approx(2000)
    assert guess_gpu_seconds(398e6, 9.42e6, 1_060_000) == pytest.approx(3000)
