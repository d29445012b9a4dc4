from __future__ import annotations

import logging
from pathlib import Path

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.engine.setup import argument_parser, find_config, load_config, setup
from sor_ppa.errors import ConfigError
from tests.engine import stub
from tests.synthetic import RankedCoco


def _file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    return str(path)


def test_no_file_and_no_options_give_the_defaults() -> None:
    assert load_config("").MODEL.SOR.NUM_RANKS == 5


@pytest.mark.parametrize("name", ["sor/ppa.yaml", "configs/sor/ppa.yaml"])
def test_a_file_of_the_zoo_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = load_config(name)
    assert cfg.MODEL.SOR.NAME == "SelfAttentionWithPosConvCat"


def test_a_path_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sor").mkdir()
    (tmp_path / "sor" / "ppa.yaml").write_text("SEED: 77")
    monkeypatch.chdir(tmp_path)
    assert load_config("sor/ppa.yaml").SEED == 77


def test_options_go_before_the_file(tmp_path: Path) -> None:
    path = _file(tmp_path, "SEED: 1\nMODEL:\n  FCOS:\n    INFERENCE_TH_TEST: 0.3\n")
    cfg = load_config(path, ["MODEL.FCOS.INFERENCE_TH_TEST", "0.07"])
    assert (cfg.SEED, cfg.MODEL.FCOS.INFERENCE_TH_TEST) == (1, 0.07)


def test_1e_4_without_a_dot_is_a_number(tmp_path: Path) -> None:
    """YAML reads it as text; the published files are written so."""
    assert load_config(_file(tmp_path, "SOLVER:\n  BASE_LR: 1e-4")).SOLVER.BASE_LR == 1e-4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MODEL:\n  SOR:\n    NUM_RANK: 5", "no key MODEL.SOR.NUM_RANK; .* MODEL.SOR.NUM_RANKS?"),
        ("SOLVER:\n  NUM_RANKS: 5", "no key SOLVER.NUM_RANKS; .* MODEL.SOR.NUM_RANKS?"),
        ("SEED: [1]", "SEED"),
        ("a: [1", "not plain YAML"),
        ("SEED: !!python/object/apply:os.system ['true']", "not plain YAML"),
        ("_BASE_: none.yaml", "none.yaml"),
        ("", "expected sections of keys"),
        ("just text", "expected sections of keys"),
        ("- 1\n- 2", "expected sections of keys"),
        ("MODEL: 3", "expected sections of keys"),
    ],
)
def test_faults_in_a_file(tmp_path: Path, text: str, message: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert "some.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["SEED"], "pairs KEY VALUE; got 1: SEED"),
        (["SOLVER.BASELR", "1.0"], "no key SOLVER.BASELR; .* SOLVER.BASE_LR?"),
        (["MODLE.DEVICE", "cpu"], "no key .*MODLE.*; did you mean MODEL"),
        (["SOLVER.BASE_LR", "fast"], "SOLVER.BASE_LR"),
    ],
)
def test_faults_in_options(options: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("", options)


def test_an_unknown_file_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="sor/ppa.yaml"):
        find_config("sor/pppa.yaml")


def test_setup_makes_a_frozen_config_that_runs_here(
    ranked_coco: RankedCoco, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = [*stub.options(ranked_coco), "MODEL.DEVICE", "cuda", "OUTPUT_DIR", str(tmp_path)]
    args = argument_parser().parse_args(["--num-processes", "1", *options])
    with caplog.at_level(logging.INFO):
        cfg = setup(args)
    assert cfg.is_frozen()
    assert cfg.MODEL.DEVICE == "cpu"
    assert (tmp_path / "config.yaml").is_file()
    assert (tmp_path / "log.txt").is_file()


def test_setup_knows_sets_with_pseudo_labels(tmp_path: Path) -> None:
    """Of one's own pictures, too, and in any spelling of a benchmark's name."""
    (tmp_path / "pictures").mkdir()
    options = [
        "MODEL.DEVICE", "cpu",
        "DATASETS.EXTRA", repr((("mine", str(tmp_path / "pictures"), ""),)),
        "DATASETS.TRAIN", "('mine_pseudo', 'DUTS-TR_pseudo')",
        "DATASETS.PSEUDO_ROOT", str(tmp_path / "labels"),
        "OUTPUT_DIR", str(tmp_path / "run"),
    ]  # fmt: skip
    cfg = setup(argument_parser().parse_args(options))
    assert cfg.DATASETS.TRAIN == ("mine_pseudo", "duts_train_pseudo")
    assert set(cfg.DATASETS.TRAIN) <= set(DatasetCatalog.list())
    assert MetadataCatalog.get("mine_pseudo").gt_root.startswith(str(tmp_path / "labels"))
