"""Depth, flow and thermal pictures on their way into a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode
from PIL import Image

from sor_ppa.data import build_mapper, write_image
from sor_ppa.data.dense.modalities import (
    given_modalities,
    modality_kinds,
    read_modalities,
    stack_modalities,
)
from sor_ppa.data.flow import flow_image, optical_flow
from sor_ppa.data.transforms import build_preparation
from sor_ppa.errors import ConfigError, DataError, ImageError
from tests.data.dense.test_mapper import STILL, dense_cfg
from tests.data.pictures import png, save, smooth_rgb

SIZE = (64, 96)  # of the model's input, as dense_cfg has it
A2S = (
    *STILL, "INPUT.DENSE.INTERPOLATION", "bicubic", "INPUT.DENSE.USE_MASKS", False,
    "INPUT.DENSE.TEST_RESIZE", "static", "INPUT.DENSE.TEST_SIZE", SIZE,
)  # fmt: skip
ALL = ("depth", "flow", "thermal")


def cfg_of(kinds: tuple[str, ...], *changes: object, seen: bool = False) -> CfgNode:
    settings = ("INPUT.DENSE.MODALITIES", kinds, "INPUT.DENSE.TEST_MODALITIES", seen)
    return dense_cfg(*A2S, *settings, *changes)


def bicubic(array: np.ndarray) -> np.ndarray:
    """(3, 64, 96) of uint8 (H, W, 3) or (H, W)."""
    image = Image.fromarray(array).convert("RGB").resize(SIZE[::-1], Image.Resampling.BICUBIC)
    return np.asarray(image).transpose(2, 0, 1)


@pytest.fixture()
def files(tmp_path: Path) -> dict[str, np.ndarray]:
    """Pictures in a folder: image (40 x 50), grey depth of the same and flow of another size."""
    rng = np.random.default_rng(0)
    found = {
        "image": smooth_rgb(40, 50),
        "depth": rng.integers(0, 256, (40, 50), dtype=np.uint8),
        "flow": rng.integers(0, 256, (33, 70, 3), dtype=np.uint8),
        "thermal": rng.integers(0, 256, (40, 50, 3), dtype=np.uint8),
    }
    for name, array in found.items():
        save(tmp_path / f"{name}.png", array)
    return found


def record(folder: Path, *kinds: str) -> dict[str, Any]:
    named = {f"{kind}_file_name": str(folder / f"{kind}.png") for kind in kinds}
    return {"file_name": str(folder / "image.png"), "image_id": "a", **named}


# ---- into the mapper


def test_without_kinds_there_is_no_modality(tmp_path: Path, files: dict[str, np.ndarray]) -> None:
    output = build_mapper(cfg_of(()), True)(record(tmp_path, *ALL))
    assert "modality" not in output and "saliency" not in output
    np.testing.assert_array_equal(output["image"].numpy(), bicubic(files["image"]))


@pytest.mark.parametrize("is_train", [True, False])
@pytest.mark.parametrize("image_format", ["RGB", "BGR"])
@pytest.mark.parametrize("has", [("depth",), ("flow", "thermal"), ("depth", "flow", "thermal")])
def test_the_stack_is_in_order_with_zeros_for_what_lacks(
    tmp_path: Path,
    files: dict[str, np.ndarray],
    has: tuple[str, ...],
    image_format: str,
    is_train: bool,
) -> None:
    """A grey file has three equal channels; each is resized out of its own size; always RGB."""
    mapper = build_mapper(cfg_of(ALL, "INPUT.FORMAT", image_format, seen=True), is_train)
    modality = mapper(record(tmp_path, *has))["modality"]
    assert modality.dtype == torch.uint8 and modality.shape == (9, *SIZE)
    for part, kind in zip(modality.numpy().reshape(3, 3, *SIZE), ALL, strict=True):
        wanted = bicubic(files[kind]) if kind in has else np.zeros((3, *SIZE))
        np.testing.assert_array_equal(part, wanted)


def test_a_picture_with_no_kind_at_all_is_all_zeros_where_only_losses_look(
    tmp_path: Path, files: dict[str, np.ndarray]
) -> None:
    modality = build_mapper(cfg_of(ALL), True)(record(tmp_path))["modality"]
    assert modality.shape == (9, *SIZE) and not modality.any()


@pytest.mark.parametrize("is_train", [True, False])
def test_a_network_that_sees_modalities_needs_one(
    tmp_path: Path, files: dict[str, np.ndarray], is_train: bool
) -> None:
    mapper = build_mapper(cfg_of(("depth",), seen=True), is_train)
    with pytest.raises(DataError, match=r"image\.png: comes without depth.*--modality-input"):
        mapper(record(tmp_path, "thermal"))


def test_in_a_test_what_the_network_does_not_see_is_not_read(
    tmp_path: Path, files: dict[str, np.ndarray]
) -> None:
    gone = {**record(tmp_path), "depth_file_name": "/nowhere.png"}
    assert "modality" not in build_mapper(cfg_of(("depth",)), False)(gone)
    for cfg, is_train in ((cfg_of(("depth",)), True), (cfg_of(("depth",), seen=True), False)):
        with pytest.raises(ImageError, match=r"nowhere\.png: no such file"):
            build_mapper(cfg, is_train)(gone)


def test_16_bits_are_scaled(tmp_path: Path, files: dict[str, np.ndarray]) -> None:
    deep = files["depth"].astype(np.uint16)[:, :, None] * 257
    png(tmp_path / "depth.png", deep, 0)
    modality = build_mapper(cfg_of(("depth",)), True)(record(tmp_path, "depth"))["modality"]
    np.testing.assert_array_equal(modality.numpy(), bicubic(files["depth"]))


def test_picture_mask_and_modality_are_flipped_together(
    tmp_path: Path, files: dict[str, np.ndarray]
) -> None:
    """The modality is the picture itself, and the mask its bright part."""
    rng = np.random.default_rng(1)
    picture = np.repeat(rng.integers(0, 2, (*SIZE, 1), dtype=np.uint8) * 255, 3, axis=2)
    for name, array in (("image", picture), ("depth", picture), ("mask", picture[:, :, 0])):
        write_image(tmp_path / f"{name}.png", array)
    item = {**record(tmp_path, "depth"), "sem_seg_file_name": str(tmp_path / "mask.png")}
    changes = ("INPUT.RANDOM_FLIP", "horizontal", "INPUT.DENSE.USE_MASKS", True)
    mapper = build_mapper(cfg_of(("depth",), *changes), True)
    seen = set()
    for seed in range(8):
        np.random.seed(seed)
        output = mapper(item)
        assert torch.equal(output["image"], output["modality"])
        assert torch.equal(output["image"][:1].float() / 255, output["saliency"])
        flipped = picture[:, ::-1].transpose(2, 0, 1)
        seen.add(np.array_equal(output["image"].numpy(), flipped))
    assert seen == {True, False}


def test_the_whole_augmentation_moves_picture_and_modality_alike(tmp_path: Path) -> None:
    """But only the picture changes its colours."""
    for name in ("image", "depth"):
        save(tmp_path / f"{name}.png", smooth_rgb(*SIZE))
    changes = (
        "INPUT.RANDOM_FLIP", "horizontal", "INPUT.DENSE.SCALE_CROP", (0.75, 1.25),
        "INPUT.DENSE.ROTATE", 10,
    )  # fmt: skip
    plain, bright = (
        build_mapper(cfg_of(("depth",), *changes, "INPUT.DENSE.ENHANCE", amount), True)
        for amount in (0.0, 0.8)
    )
    moved = 0
    for seed in range(12):
        np.random.seed(seed)
        first = plain(record(tmp_path, "depth"))
        assert torch.equal(first["image"], first["modality"])
        moved += first["image"].numpy().tobytes() != bicubic(smooth_rgb(*SIZE)).tobytes()
        np.random.seed(seed)
        second = bright(record(tmp_path, "depth"))
        assert torch.equal(second["modality"], first["modality"])
    assert moved > 6


# ---- flow of videos


def frames(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Two frames, the second moved by three pixels."""
    first = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    first = np.asarray(Image.fromarray(first).resize((64, 48), reducing_gap=None, box=(0, 0, 9, 7)))
    second = np.roll(first, 3, axis=1)
    for name, array in (("image", first), ("other", second)):
        save(folder / f"{name}.png", array)
    return first, second


@pytest.mark.parametrize(("field", "forwards"), [("next", True), ("previous", False)])
def test_the_flow_of_a_frame_without_a_file_is_computed(
    tmp_path: Path, field: str, forwards: bool
) -> None:
    pair = frames(tmp_path)[:: 1 if forwards else -1]
    first, second = (np.ascontiguousarray(frame[:, :, ::-1]) for frame in pair)
    item = {**record(tmp_path), f"{field}_file_name": str(tmp_path / "other.png")}
    modality = build_mapper(cfg_of(("flow",)), True)(item)["modality"]
    wanted = flow_image(optical_flow(first, second))
    np.testing.assert_array_equal(modality.numpy(), bicubic(wanted))
    assert modality.float().std() > 5  # it does move


def test_a_file_of_flow_goes_before_computing_it(
    tmp_path: Path, files: dict[str, np.ndarray]
) -> None:
    item = {**record(tmp_path, "flow"), "next_file_name": "/nowhere.png", "video_id": "v"}
    modality = build_mapper(cfg_of(("flow",)), True)(item)["modality"]
    np.testing.assert_array_equal(modality.numpy(), bicubic(files["flow"]))


def test_flow_of_frames_and_of_pictures_that_are_none(tmp_path: Path) -> None:
    frames(tmp_path)
    assert read_modalities(record(tmp_path), ("flow",)) == {}
    only = read_modalities({**record(tmp_path), "video_id": ""}, ("flow",))["flow"]
    assert only.shape == (48, 64, 3) and (only == 255).all()  # nothing moves
    item = {**record(tmp_path), "next_file_name": str(tmp_path / "other.png")}
    assert read_modalities(item, ("depth",)) == {}
    save(tmp_path / "other.png", smooth_rgb(20, 20))
    with pytest.raises(DataError, match="image.png.*other.png"):
        read_modalities(item, ("flow",))


# ---- pictures in memory


def test_a_preparation_equals_the_mapper(tmp_path: Path, files: dict[str, np.ndarray]) -> None:
    cfg = cfg_of(("depth",), seen=True)
    wanted = build_mapper(cfg, False)(record(tmp_path, "depth"))
    prepare = build_preparation(cfg)
    for given in (files["depth"], {"depth": files["depth"]}, np.dstack([files["depth"]] * 3)):
        found = prepare(files["image"], given)
        assert set(found) == {"image", "modality"}
        for name, value in found.items():
            assert torch.equal(value, wanted[name])


def test_a_preparation_passes_over_what_the_network_does_not_see(
    files: dict[str, np.ndarray],
) -> None:
    cfg = cfg_of(("depth",))
    assert set(build_preparation(cfg)(files["image"], files["depth"])) == {"image"}
    ranking = build_preparation(dense_cfg("INPUT.DATASET_MAPPER_NAME", "ranking"))
    assert set(ranking(files["image"], files["depth"])) == {"image"}


GREY = np.zeros((4, 5), np.uint8)


@pytest.mark.parametrize(
    ("kinds", "given", "error", "message"),
    [
        (("depth",), None, DataError, "comes without depth.*--modality-input"),
        (("depth",), {}, DataError, "comes without depth.*--modality-input"),
        (ALL, None, DataError, "without depth or flow or thermal"),
        (ALL, GREY, DataError, "knows depth, flow, thermal: say which"),
        (("depth",), {"thermal": GREY}, DataError, "'thermal' is unknown.*knows depth"),
        (("depth",), GREY.astype(float), ImageError, "depth must be a uint8 array.*float64"),
        (("depth",), "depth.png", ImageError, "depth must be a uint8 array.*a str"),
        (("depth",), GREY[:, :0], ImageError, r"depth must be.*\(4, 0, 3\)"),
        (("flow",), {"flow": GREY[None, None]}, ImageError, "flow must be"),
    ],
)
def test_bad_modalities_in_memory(
    kinds: tuple[str, ...], given: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build_preparation(cfg_of(kinds, seen=True))(smooth_rgb(8, 8), given)


def test_of_several_kinds_some_may_lack() -> None:
    found = given_modalities({"thermal": GREY + 7}, ALL)
    stack = stack_modalities(found, ALL, (4, 5))
    assert stack[:6].eq(0).all() and stack[6:].eq(7).all()


@pytest.mark.parametrize(
    "kinds", [("deep",), ("thermal", "depth"), ("depth", "depth"), ("rgb", "depth")]
)
def test_bad_kinds_are_named(kinds: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="INPUT.DENSE.MODALITIES must be of depth, flow, thermal"):
        modality_kinds(cfg_of(kinds))
    assert modality_kinds(cfg_of(())) == () and modality_kinds(cfg_of(ALL)) == ALL
