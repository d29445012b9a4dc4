from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import CheckpointError, ConfigError
from sor_ppa.webapp.models import Shelf, bundled_models, model_of
from tests.demo import fake_two_inputs
from tests.webapp.fakes import fake_models


class Built:
    """A builder of predictors that counts; names in ``broken`` fail."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.calls: list[tuple[str, str]] = []

    def __call__(self, cfg: Any, *, backend: str, allow_pickle: bool) -> Any:
        name = cfg.MODEL.META_ARCHITECTURE
        self.calls.append((name, backend))
        if name == self.broken:
            raise CheckpointError("torn")
        return name


def test_no_model_of_a_kind(tmp_path: Path) -> None:
    shelf = Shelf([])
    assert shelf.names("rank") == []
    with pytest.raises(ConfigError, match="no weights of a rank model.*--config-file"):
        shelf.model("rank")


def test_bundled_models() -> None:
    models = bundled_models(device="cpu", max_pixels=1000)
    names = [model.name for model in models]
    assert names[:3] == ["sor/tiny.yaml", "inspyrenet/tiny.yaml", "a2s/cornet-rgb-tiny.yaml"]
    assert [model.kind for model in models][:3] == ["rank", "saliency", "saliency"]
    assert models[0].weights == "sor_ppa://weights/sor/tiny.safetensors"
    assert models[0].cfg.INPUT.MAX_PIXELS == 1000


def test_weights_are_named_without_their_folder(tmp_path: Path) -> None:
    model = model_of("msinet/tiny.yaml", str(tmp_path / "my.pth"))
    assert (model.kind, model.weights) == ("fixation", "my.pth")


def test_a_network_that_sees_two_pictures_is_refused(tmp_path: Path) -> None:
    config = fake_two_inputs.two_config_file(tmp_path)
    with pytest.raises(ConfigError, match="see one picture"):
        model_of(str(config))


def test_weights_that_training_begins_with_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="training begins with; name trained ones with --weights"):
        model_of("msinet/salicon.yaml")
    assert model_of("msinet/salicon.yaml", "mine.pth").weights == "mine.pth"


def test_by_name(tmp_path: Path) -> None:
    models = fake_models(tmp_path)
    shelf = Shelf(models)
    assert shelf.model("saliency") is models[1]
    assert shelf.model("fixation", models[2].name) is models[2]
    with pytest.raises(
        ConfigError, match=f"no saliency model '{models[0].name}'; there are .*dense"
    ):
        shelf.model("saliency", models[0].name)
    with pytest.raises(ConfigError, match="two models of one name"):
        Shelf([*models, models[0]])
    with pytest.raises(ConfigError, match="at least 1 model"):
        Shelf(models, keep=0)


def test_loaded_late_once_and_the_last_ones_kept(tmp_path: Path) -> None:
    rank, dense, gaze = fake_models(tmp_path)
    build = Built()
    shelf = Shelf([rank, dense, gaze], keep=2, backend="onnx", build=build)
    assert build.calls == []
    assert [shelf.predictor(model) for model in (rank, dense, rank)] == [
        "FakeRanker", "FakeSaliency", "FakeRanker",
    ]  # fmt: skip
    assert build.calls == [("FakeRanker", "torch"), ("FakeSaliency", "onnx")]
    shelf.predictor(gaze)
    assert shelf.loaded() == [rank.name, gaze.name]
    shelf.predictor(dense)
    assert len(build.calls) == 4 and shelf.loaded() == [gaze.name, dense.name]


def test_a_broken_model_leaves_the_others_alone(tmp_path: Path) -> None:
    rank, dense, _ = fake_models(tmp_path)
    build = Built(broken="FakeSaliency")
    shelf = Shelf([rank, dense], build=build)
    for _ in range(2):  # the second time it is tried again
        with pytest.raises(CheckpointError, match="dense.yaml cannot be loaded: torn"):
            shelf.predictor(dense)
        assert shelf.predictor(rank) == "FakeRanker"
    assert len(build.calls) == 3


def test_threads_share_one_loading(tmp_path: Path) -> None:
    rank, dense, _ = fake_models(tmp_path)
    gate, began, build = threading.Event(), threading.Event(), Built()

    def slow(cfg: Any, **options: Any) -> Predictor:
        if cfg.MODEL.META_ARCHITECTURE == "FakeSaliency":
            began.set()
            assert gate.wait(20)
        return build(cfg, **options)

    shelf = Shelf([rank, dense], keep=2, build=slow)
    shelf.predictor(rank)
    threads = [threading.Thread(target=shelf.predictor, args=(dense,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert began.wait(20)
    assert shelf.predictor(rank) == "FakeRanker"  # does not wait for the other
    gate.set()
    for thread in threads:
        thread.join(20)
    assert [name for name, _ in build.calls] == ["FakeRanker", "FakeSaliency"]
