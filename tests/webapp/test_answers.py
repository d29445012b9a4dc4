from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances
from PIL import Image

from sor_ppa.data.image_io import read_grey, read_image, write_image
from sor_ppa.errors import ConfigError, ImageError, SaliencyError
from sor_ppa.evaluation.results_io import read_results
from sor_ppa.visualization.output_types import draw
from sor_ppa.webapp.answers import FIXATION_VIEWS, Studio, ranking_table
from sor_ppa.webapp.limits import Limits
from tests.demo.fake_saliency import soft_disc
from tests.synthetic import files_below
from tests.webapp.fakes import fake_studio

H, W = 40, 60


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return fake_studio(tmp_path_factory.mktemp("configs"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "photo.png"
    write_image(path, np.full((H, W, 3), 100, np.uint8))
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_table_of_nothing() -> None:
    assert ranking_table(Instances((4, 4))) == ()


def test_table() -> None:
    found = Instances((10, 10))
    found.pred_boxes = Boxes(torch.tensor([[0.0, 1, 4, 3], [2, 2, 7, 7], [0, 0, 1, 1]]))
    found.scores = torch.tensor([0.5, 0.25, 0.75])
    found.pred_ranks = torch.tensor([2, 1, 0])
    found.pred_masks = torch.zeros(3, 10, 10, dtype=torch.bool)
    found.pred_masks[0, 1:3, :4] = True
    found.pred_masks[1, 2:7, 2:7] = True
    assert ranking_table(found) == (
        (1, 0.25, "2, 2, 5, 5", "25.0%"),
        (2, 0.5, "0, 1, 4, 2", "8.0%"),
    )


def test_rank(studio: Studio, photo: Path, out: Path) -> None:
    answer = studio.rank(photo, out)
    names = ["photo_rank_map.png", "photo_ranked.jpg", "photo_results.json"]
    assert sorted(path.name for path in answer.files) == names
    assert answer.picture == out / "photo_ranked.jpg"
    assert read_image(answer.picture).shape == (H, W, 3)
    assert set(np.unique(read_grey(out / "photo_rank_map.png"))) == {0, 229, 255}
    results = read_results(out / "photo_results.json")
    assert sorted(record["rank"] for record in results.records) == [0, 1, 2]
    assert (results.info["config"], results.info["weights"]) == ("fake.yaml", "")
    assert results.images is not None and results.images[1]["file_name"] == "photo.png"
    assert [row[:2] for row in answer.table] == [(1, 0.9), (2, 0.75)]
    assert answer.note.startswith("2 ranked objects, 1 without a rank · 60 x 40 pixels · fake.yaml")


def test_nothing_to_rank(studio: Studio, tmp_path: Path, out: Path) -> None:
    write_image(tmp_path / "black.png", np.zeros((9, 9, 3), np.uint8))
    answer = studio.rank(tmp_path / "black.png", out)
    assert answer.table == () and answer.note.startswith("No ranked object was found")


@pytest.mark.parametrize("view", ["map", "overlay"])
def test_saliency(studio: Studio, photo: Path, out: Path, view: str) -> None:
    answer = studio.saliency(photo, out, view=view)
    assert files_below(out) == ["photo_map.npy", "photo_map.png", "photo_overlay.png"]
    assert answer.picture == out / f"photo_{view}.png"
    saliency = np.load(out / "photo_map.npy")
    np.testing.assert_array_equal(saliency, soft_disc(H, W).numpy())
    expected = draw(view, read_image(photo), saliency)
    np.testing.assert_array_equal(
        expected, read_grey(answer.picture) if view == "map" else read_image(answer.picture)
    )
    share = float((saliency > 0.5).mean())
    assert answer.note.startswith(f"{share:.1%} of the picture stand out")


def test_cut_out_has_transparency(studio: Studio, photo: Path, out: Path) -> None:
    answer = studio.cut_out(photo, out)
    assert files_below(out) == ["photo_map.png", "photo_rgba.png"]
    with Image.open(answer.picture) as image:
        assert image.mode == "RGBA"
        alpha = np.asarray(image)[:, :, 3]
    np.testing.assert_array_equal(alpha, read_grey(out / "photo_map.png"))
    assert alpha.min() == 0 and alpha.max() == 255


@pytest.mark.parametrize(
    ("background", "name", "corner"),
    [("white", "white", 255), ("[0, 0, 0]", "0-0-0", 0), ("blur", "blur", 100)],
)
def test_cut_out_on(
    studio: Studio, photo: Path, out: Path, background: str, name: str, corner: int
) -> None:
    answer = studio.cut_out(photo, out, background=background)
    assert answer.picture == out / f"photo_{name}.png"
    image = read_image(answer.picture)
    assert np.all(image[0, 0] == corner) and np.all(image[H // 2, W // 2] == 100)


def test_cut_out_trimmed_and_reversed(studio: Studio, photo: Path, out: Path) -> None:
    trimmed = read_image(studio.cut_out(photo, out, background="white", trim=True).picture)
    assert trimmed.shape[0] < H and trimmed.shape[1] < W
    reverse = studio.cut_out(photo, out, background="white", reverse=True).picture
    assert reverse.name == "photo_white_reverse.png"
    assert np.all(read_image(reverse)[H // 2, W // 2] == 255)


@pytest.mark.parametrize("view", FIXATION_VIEWS)
def test_fixation(studio: Studio, photo: Path, out: Path, view: str) -> None:
    answer = studio.fixation(photo, out, view=view)
    names = ("photo_heat_overlay.jpg", "photo_heat_map.png", "photo_fixation.png")
    assert files_below(out) == sorted([*names, "photo_density.npy"])
    assert answer.picture.name == dict(zip(FIXATION_VIEWS, names))[view]
    density = np.load(out / "photo_density.npy")
    assert density.shape == (H, W) and density.dtype == np.float32
    assert abs(density.sum(dtype=np.float64) - 1) < 1e-5 and (density > 0).all()
    grey = read_grey(out / "photo_fixation.png")
    assert (grey[0, 0], grey[0, -1]) == (0, 255)
    assert answer.note.startswith(f"Most looked at: x {W - 1}, y 0")


@pytest.mark.parametrize(
    ("task", "settings", "error", "said"),
    [
        ("rank", {"model": "dense.yaml"}, ConfigError, "no rank model 'dense.yaml'"),
        ("saliency", {"view": "heat"}, SaliencyError, "view 'heat': choose one of map, overlay"),
        ("cut_out", {"background": "pyramid"}, SaliencyError, "choose transparent, blur"),
        ("cut_out", {"background": "256,0,0"}, ConfigError, "unknown output type"),
        ("fixation", {"view": ""}, SaliencyError, "choose one of heat"),
    ],
)
def test_wrong_wishes(
    studio: Studio, photo: Path, out: Path, task: str, settings: dict, error: type, said: str
) -> None:
    with pytest.raises(error, match=said):
        getattr(studio, task)(photo, out, **settings)
    assert files_below(out) == []


def test_a_server_s_file_is_no_background(studio: Studio, photo: Path, out: Path) -> None:
    with pytest.raises(SaliencyError, match="choose transparent, blur or a colour"):
        studio.cut_out(photo, out, background=str(photo))


def test_too_large_and_unreadable(tmp_path: Path, photo: Path, out: Path) -> None:
    studio = fake_studio(tmp_path, Limits(pixels=H * W - 1))
    with pytest.raises(ImageError, match="this page takes pictures up to"):
        studio.saliency(photo, out)
    assert studio.shelf.loaded() == []  # no network is loaded for nothing


def test_a_failing_network_is_said(studio: Studio, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "nan.png"
    write_image(path, np.full((8, 8, 3), 13, np.uint8))
    with pytest.raises(SaliencyError, match="NaN"):
        studio.saliency(path, out)


def test_long_names(studio: Studio, photo: Path, out: Path) -> None:
    long = photo.rename(photo.with_name("ä" * 100 + ".png"))
    for answer in (studio.rank(long, out), studio.saliency(long, out)):
        assert all(path.is_file() for path in answer.files)
