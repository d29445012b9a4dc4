from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sor_ppa.data.image_io import write_image
from sor_ppa.data.ranking import load_ranked_coco
from sor_ppa.evaluation.ground_truth import GroundTruth
from sor_ppa.evaluation.protocols import PROTOCOLS
from sor_ppa.evaluation.results_io import write_results
from sor_ppa.evaluation.rle import encode_masks
from tests.synthetic import RankedCoco

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import evaluate  # noqa: E402


@pytest.fixture(scope="module")
def truth(ranked_coco: RankedCoco) -> GroundTruth:
    return GroundTruth(load_ranked_coco(ranked_coco.json_file, ranked_coco.image_root))


@pytest.fixture()
def perfect(tmp_path: Path, truth: GroundTruth) -> Path:
    """A results JSON that repeats the ground truth."""
    images, records = [], []
    for index, image in enumerate(truth.images):
        keys = ("height", "width")
        name = Path(image["file_name"]).name
        images.append({"id": image["image_id"], "file_name": name, **{k: image[k] for k in keys}})
        objects = truth.objects(index)
        for place, mask in enumerate(encode_masks(objects.masks)):
            records.append(
                {
                    "image_id": image["image_id"],
                    "category_id": 1,
                    "score": 1 - 0.3 * place,
                    "rank": int(objects.ranks[place]),
                    "segmentation": mask,
                }
            )
    write_results(tmp_path / "perfect.json", images, records)
    return tmp_path / "perfect.json"


@pytest.fixture()
def maps(tmp_path: Path, truth: GroundTruth) -> Path:
    """Perfect grey rank maps."""
    for index, name in enumerate(truth.names):
        canvas = truth.objects(index).paint(num_ranks=5, drawing="exact")
        write_image(tmp_path / "maps" / f"{name}.png", canvas)
    return tmp_path / "maps"


def _run(pred: Path | str, gt: Path, *more: str) -> int:
    arguments = ["--task", "ranking", "--pred", str(pred), "--gt", str(gt), *more]
    return evaluate.main(arguments)


def _metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


def test_empty_results_under_every_protocol(
    tmp_path: Path, ranked_coco: RankedCoco, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.json").write_text("[]")
    output = tmp_path / "out"
    more = ("--protocol", "all", "--output", str(output))
    assert _run(tmp_path / "r.json", ranked_coco.json_file, *more) == 0
    runs = _metrics(output)["runs"]
    assert [run["protocol"]["name"] for run in runs] == list(PROTOCOLS)
    assert [run["ranking"]["SOR"] for run in runs] == [None, None, 0.5]
    assert all(run["ranking"]["top1"] == 0 and run["bbox"]["AP50"] == 0 for run in runs)
    table = capsys.readouterr().out
    assert "n/a" in table and "nan" not in table.lower().split("- **")[0]


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_perfect_instances(
    tmp_path: Path, ranked_coco: RankedCoco, perfect: Path, protocol: str
) -> None:
    output = tmp_path / "out"
    more = ("--protocol", protocol, "--output", str(output))
    assert _run(perfect, ranked_coco.json_file, *more) == 0
    document = _metrics(output)
    (run,) = document["runs"]
    assert run["ranking"]["SOR"] == run["ranking"]["top1"] == 1
    assert run["ranking"]["SA-SOR"] == pytest.approx(1) and run["ranking"]["MAE"] == 0
    assert run["segm"]["AP"] == pytest.approx(100) and run["bbox"]["AP50"] == pytest.approx(100)
    assert run["protocol"] == {**PROTOCOLS[protocol].as_dict(), "drawing": "exact"}
    assert document["ranks"] == {"source": "derived", "rule": "red, green, blue"}
    rows = list(csv.DictReader((output / "per_image.csv").open()))
    assert len(rows) == 6 and {row["protocol"] for row in rows} == {protocol}
    table = (output / "metrics.md").read_text()
    assert protocol in table and "derived (red, green, blue), not people's" in table


def test_published_drawing(tmp_path: Path, ranked_coco: RankedCoco, perfect: Path) -> None:
    output = tmp_path / "out"
    more = ("--drawing", "published", "--no-coco", "--output", str(output))
    assert _run(perfect, ranked_coco.json_file, *more) == 0
    (run,) = _metrics(output)["runs"]
    assert 0 < run["ranking"]["MAE"] < 0.05 and run["protocol"]["drawing"] == "published"
    assert "bbox" not in run


def test_perfect_maps(tmp_path: Path, ranked_coco: RankedCoco, maps: Path) -> None:
    output = tmp_path / "out"
    more = ("--output", str(output), "--num-workers", "2")
    assert _run(maps, ranked_coco.json_file, *more) == 0
    document = _metrics(output)
    (run,) = document["runs"]
    assert run["ranking"]["SOR"] == run["ranking"]["top1"] == 1 and run["ranking"]["MAE"] == 0
    assert "bbox" not in run and document["predictions"]["kind"] == "rank maps"


def test_threshold_sweep(tmp_path: Path, ranked_coco: RankedCoco, perfect: Path) -> None:
    output = tmp_path / "out"
    more = ("--threshold", "0.5", "0.9", "--output", str(output))
    assert _run(perfect, ranked_coco.json_file, *more) == 0
    runs = _metrics(output)["runs"]
    assert [run["min_score"] for run in runs] == [None, 0.5, 0.9]
    found = [run["ranking"]["objects_found"] for run in runs]
    assert found[0] > found[1] > found[2] == 6  # one object an image


def test_any_saliency_map_ranked_by_object(
    tmp_path: Path, ranked_coco: RankedCoco, truth: GroundTruth, perfect: Path
) -> None:
    """A soft map without flat greys whose means inside the objects have the true order."""
    for index, name in enumerate(truth.names):
        objects = truth.objects(index)
        noise = np.random.default_rng(index).integers(0, 40, objects.size_hw)
        canvas = noise.astype(np.uint8)
        for mask, rank in zip(objects.masks, objects.ranks, strict=True):
            canvas[mask] += np.uint8(200 - 50 * rank)
        write_image(tmp_path / "saliency" / f"{name}.png", canvas)
    for more, ap in (((), None), (("--objects", str(perfect)), 100)):
        output = tmp_path / f"out_{ap}"
        more = ("--rank-by-saliency", *more, "--output", str(output))
        assert _run(tmp_path / "saliency", ranked_coco.json_file, *more) == 0
        (run,) = _metrics(output)["runs"]
        assert run["ranking"]["SOR"] == 1 and run["ranking"]["MAE"] == 0
        assert run.get("bbox", {}).get("AP50") == (pytest.approx(ap) if ap else None)


def test_bare_coco_results(tmp_path: Path, ranked_coco: RankedCoco, perfect: Path) -> None:
    records = json.loads(perfect.read_text())["results"]
    (tmp_path / "bare.json").write_text(json.dumps(records))
    output = tmp_path / "out"
    assert _run(tmp_path / "bare.json", ranked_coco.json_file, "--output", str(output)) == 0
    assert _metrics(output)["runs"][0]["ranking"]["SOR"] == 1


def test_the_pictures_themselves_are_not_needed(
    tmp_path: Path, ranked_coco: RankedCoco, perfect: Path
) -> None:
    lonely = tmp_path / "elsewhere" / "gt.json"
    lonely.parent.mkdir()
    lonely.write_bytes(ranked_coco.json_file.read_bytes())
    assert _run(perfect, lonely) == 0
    assert _run(perfect, lonely, "--images", str(tmp_path)) == 2
    assert _run(perfect, lonely, "--images", str(ranked_coco.image_root)) == 0


def test_true_rank_maps(
    tmp_path: Path, ranked_coco: RankedCoco, perfect: Path, truth: GroundTruth
) -> None:
    for index, name in enumerate(truth.names):
        white = np.full(truth.size_hw(index), 255, dtype=np.uint8)
        write_image(tmp_path / "gt" / f"{name}.png", white)
    output = tmp_path / "out"
    more = ("--gt-maps", str(tmp_path / "gt"), "--output", str(output))
    assert _run(perfect, ranked_coco.json_file, *more) == 0
    assert _metrics(output)["runs"][0]["ranking"]["MAE"] > 0.5
    assert _run(perfect, ranked_coco.json_file, "--gt-maps", str(tmp_path)) == 2


def test_registered_data_set(ranked_coco: RankedCoco, perfect: Path) -> None:
    from sor_ppa.data.ranking import register_ranked_coco

    register_ranked_coco("evaluate_tool_test", ranked_coco.json_file, ranked_coco.image_root)
    arguments = ["--task", "ranking", "--pred", str(perfect), "--dataset"]
    assert evaluate.main([*arguments, "evaluate_tool_test"]) == 0


def test_missing_maps(
    tmp_path: Path,
    ranked_coco: RankedCoco,
    maps: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (maps / "001.png").rename(maps / "stranger.png")
    assert _run(maps, ranked_coco.json_file) == 2
    text = capsys.readouterr().err
    assert "no prediction for 001" in text and "stranger.png" in text
    output = tmp_path / "out"
    more = ("--allow-missing", "--output", str(output))
    assert _run(maps, ranked_coco.json_file, *more) == 1
    document = _metrics(output)
    assert document["left_out"] == {"missing": ["001"], "extra": ["stranger.png"], "faults": []}
    assert document["runs"][0]["ranking"]["images"] == 5


def test_strict(tmp_path: Path, ranked_coco: RankedCoco, perfect: Path) -> None:
    document = json.loads(perfect.read_text())
    document["results"][0]["bbox"] = [0, 0, 0, 0]
    perfect.write_text(json.dumps(document))
    assert _run(perfect, ranked_coco.json_file) == 0
    assert _run(perfect, ranked_coco.json_file, "--strict") == 2


@pytest.mark.parametrize(
    "more, message",
    [
        (["--pred", "nothing.json"], "nothing.json"),
        (["--num-ranks", "0"], "--num-ranks"),
        (["--num-ranks", "104"], "--num-ranks"),
        (["--num-workers", "-1"], "--num-workers"),
        (["--threshold", "nan"], "--threshold"),
        (["--objects", "x.json"], "--rank-by-saliency"),
        (["--rank-by-saliency"], "folder of maps"),
        (["--gt", "nothing.json"], "nothing.json"),
    ],
)
def test_user_errors(
    more: list[str],
    message: str,
    ranked_coco: RankedCoco,
    perfect: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run(perfect, ranked_coco.json_file, *more) == 2
    captured = capsys.readouterr()
    assert message in captured.err and "Traceback" not in captured.err


def test_thresholds_need_scores(ranked_coco: RankedCoco, maps: Path) -> None:
    assert _run(maps, ranked_coco.json_file, "--threshold", "0.5") == 2


def test_unknown_data_set(perfect: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--task", "ranking", "--pred", str(perfect), "--dataset", "nothing"]
    assert evaluate.main(arguments) == 2
    assert "assr_test" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["--task", "nothing"], ["--task", "ranking"], ["--task", "ranking", "--pred", "x"]],
)
def test_usage_errors(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        evaluate.main(arguments)
    assert stop.value.code == 2


@pytest.mark.parametrize("arguments", [["--help"], ["--task", "ranking", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        evaluate.main(arguments)
    assert stop.value.code == 0
    assert ("--rank-by-saliency  " in capsys.readouterr().out) == ("ranking" in arguments)


def test_as_a_program(
    tmp_path: Path,
    ranked_coco: RankedCoco,
    perfect: Path,
    repository: Path,
    child_environment: dict[str, str],
) -> None:
    command = [sys.executable, str(repository / "tools" / "evaluate.py"), "--task", "ranking"]
    command += ["--pred", str(perfect), "--gt", str(ranked_coco.json_file)]
    done = subprocess.run(
        command, env=child_environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| protocol |") and "| 1.0000 |" in done.stdout
