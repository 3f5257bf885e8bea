import pytest

from condinst.datasets.checks.input_checks import check_input

RGB8 = dict(data_preprocessor=dict(mean=[1, 2, 3], bgr_to_rgb=True), backbone={})


def model(channels, **preprocessor):
    mean = [1000.0] * channels
    return dict(
        data_preprocessor=dict(mean=mean, **preprocessor), backbone=dict(in_channels=channels)
    )


def load(**options):
    return dict(type="LoadImageFromFile", **options)


@pytest.mark.parametrize(
    ("steps", "network"),
    [
        ([load(channels=3)], RGB8),
        ([load(color_type="grayscale")], model(1)),
        ([load(color_type="unchanged")], model(4)),
        ([load(channels=1, dtype="uint16"), dict(type="PrepareBoxTargets")], model(1)),
        ([dict(type="condinst.LoadImageFromFile", channels=5)], model(5)),
        ([load(channels=4)], dict(backbone=dict(in_chans=4))),
        ([], RGB8),
        ([load(channels=4)], {}),
    ],
)
def test_what_goes_together(steps, network):
    assert check_input("train", steps, network) == []


@pytest.mark.parametrize(
    ("steps", "network", "messages"),
    [
        ([load(channels=0)], RGB8, ["channels=0"]),
        ([load(dtype="int8")], RGB8, ["dtype='int8'"]),
        (
            [load(channels=1)],
            RGB8,
            ["model.backbone.in_channels is 3", "mean has 3 numbers", "set bgr_to_rgb=False"],
        ),
        ([load()], model(4), ["model.backbone.in_channels is 4", "mean has 4 numbers"]),
        ([load(channels=4)], dict(backbone=dict(in_chans=3)), ["model.backbone.in_chans is 3"]),
        ([load(channels=4)], model(4, rgb_to_bgr=True), ["swaps red and blue"]),
        (
            [load(channels=1, dtype="uint16")],
            dict(data_preprocessor=dict(mean=[120.0]), backbone=dict(in_channels=1)),
            ["as for 8 bits"],
        ),
        (
            [load(channels=1, dtype="float32"), dict(type="PrepareBoxTargets")],
            model(1),
            ["PrepareBoxTargets needs value_range"],
        ),
        (
            [load(channels=1, dtype="float32"), dict(type="PrepareMixedTargets")],
            model(1),
            ["PrepareMixedTargets needs value_range"],
        ),
    ],
)
def test_what_does_not(steps, network, messages):
    found = check_input("train_dataloader.dataset", steps, network)
    assert len(found) == len(messages)
    for problem, message in zip(found, messages, strict=True):
        assert problem.startswith("train_dataloader.dataset.pipeline: ")
        assert message in problem
