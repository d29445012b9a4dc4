"""The page behind its API: gradio's own client asks, as other programs would."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sor_ppa.data.image_io import write_image
from sor_ppa.errors import ConfigError
from tests.data import fault_files, pictures
from tests.synthetic import files_below
from tests.webapp.serving import QUEUE_SIZE, Served

try:
    import gradio_client
    from gradio_client.exceptions import AppError
except ImportError:  # the page's fixture skips, or fails, with a word
    gradio_client, AppError = None, Exception


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Any]:
    client = gradio_client.Client(served.address, verbose=False)
    yield client
    client.close()


@pytest.fixture
def photo(client: Any, tmp_path: Path) -> Any:
    path = tmp_path / "photo.png"
    write_image(path, np.full((40, 60, 3), 100, np.uint8))
    return gradio_client.handle_file(path)


def test_traffic_that_cannot_be(served: Served) -> None:
    from sor_ppa.webapp.page import Traffic

    for options in ({"concurrency": 0}, {"queue_size": 0}, {"keep_minutes": 0}):
        with pytest.raises(ConfigError, match="must be at least 1"):
            Traffic(**options)


def test_endpoints_and_their_arguments(client: Any) -> None:
    described = client.view_api(return_format="dict")["named_endpoints"]
    names = {name: [p["parameter_name"] for p in e["parameters"]] for name, e in described.items()}
    assert names == {
        "/rank": ["picture", "model", "show_unranked"],
        "/saliency": ["picture", "model", "view"],
        "/cut_out": ["picture", "model", "background", "trim", "reverse"],
        "/fixation": ["picture", "model", "view"],
    }


def test_rank(client: Any, photo: Any) -> None:
    picture, note, files, table = client.predict(photo, api_name="/rank")
    assert Path(picture).name == "photo_ranked.jpg" and note.startswith("2 ranked objects")
    names = ["photo_ranked.jpg", "photo_rank_map.png", "photo_results.json"]
    assert [Path(file).name for file in files] == names
    assert [row[:2] for row in table["data"]] == [[1, 0.9], [2, 0.75]]


def test_cut_out(client: Any, photo: Any) -> None:
    picture, _, files = client.predict(photo, background="255,0,0", api_name="/cut_out")
    assert [Path(file).name for file in files] == ["photo_255-0-0.png", "photo_map.png"]
    assert Path(picture).read_bytes() == Path(files[0]).read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no picture", "bad&lt;b&gt;.png: not a picture|bad.*png: not a picture"),
     (fault_files.cut("JPEG", 0.5), "bad.*png: cannot be read")],
)  # fmt: skip
def test_a_bad_file_is_a_message(client: Any, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad<b>.png"
    path.write_bytes(content)
    with pytest.raises(AppError, match=said) as caught:
        client.predict(gradio_client.handle_file(path), api_name="/saliency")
    assert "Traceback" not in str(caught.value) and "<b>" not in str(caught.value)


def test_no_picture_and_wrong_wishes_are_messages(client: Any, photo: Any) -> None:
    with pytest.raises(AppError, match="Choose a picture first"):
        client.predict(None, api_name="/rank")
    with pytest.raises(AppError, match="choose transparent, blur or a colour|unknown output type"):
        client.predict(photo, background="/etc/passwd", api_name="/cut_out")


def test_too_many_pixels_and_bytes(client: Any, served: Served, tmp_path: Path) -> None:
    forged = pictures.forged_png(tmp_path / "bomb.png", 60000, 60000)
    with pytest.raises(AppError, match="60000 x 60000 = 3600.0 million pixels; this page takes"):
        client.predict(gradio_client.handle_file(forged), api_name="/rank")
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    write_image(tmp_path / "noise.png", noise)
    assert (tmp_path / "noise.png").stat().st_size > served.studio.limits.bytes
    with pytest.raises(Exception, match="413|too large|exceeds"):
        client.predict(gradio_client.handle_file(tmp_path / "noise.png"), api_name="/rank")


def test_the_server_fetches_nothing(client: Any, served: Served) -> None:
    address = {"path": "https://pictures.invalid/a.png", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError, match="Send the picture itself"):
        client.predict(address, api_name="/rank")
    assert served.outside == []


def test_a_picture_in_words_that_is_none(client: Any) -> None:
    words = {"url": "data:image/png;base64,AAAA", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError) as caught:
        client.predict(words, api_name="/rank")
    assert "Traceback" not in str(caught.value) and "/tmp" not in str(caught.value)


def test_one_at_a_time_and_a_full_queue_is_said(
    client: Any, served: Served, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, inside, most = threading.Event(), [], []
    found = served.studio.shelf.predictor

    def slow(model: Any) -> Any:
        inside.append(model)
        most.append(len(inside))
        assert gate.wait(30)
        inside.pop()
        return found(model)

    monkeypatch.setattr(served.studio.shelf, "predictor", slow)
    jobs = [client.submit(photo, api_name="/saliency")]
    deadline = time.monotonic() + 20
    while not inside and time.monotonic() < deadline:
        time.sleep(0.02)
    jobs += [client.submit(photo, api_name="/saliency") for _ in range(QUEUE_SIZE + 2)]
    refused: list[Any] = []
    while len(refused) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
        refused = [job for job in jobs if job.done() and "full" in str(job.exception())]
    gate.set()
    assert len(refused) == 2
    for job in set(jobs) - set(refused):
        assert Path(job.result(timeout=30)[0]).name == "photo_map.png"
    assert max(most) == 1


def test_what_is_no_fault_of_the_user_is_not_shown(
    client: Any, served: Served, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(served.studio.shelf, "predictor", fails)
    with pytest.raises(AppError, match="the server; its log has the details") as caught:
        client.predict(photo, api_name="/saliency")
    assert "secret" not in str(caught.value)


def test_results_are_not_left_lying_about(client: Any, served: Served, photo: Any) -> None:
    client.predict(photo, api_name="/saliency")
    deadline = time.monotonic() + 10
    while list(served.work.glob("sor_ppa_*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(served.work.glob("sor_ppa_*")) == []
    assert any(name.endswith("photo_map.npy") for name in files_below(served.cache))


def test_old_files_are_deleted_and_examples_stay(served: Served, client: Any, photo: Any) -> None:
    from gradio.route_utils import delete_files_created_by_app

    assert served.page.delete_cache == (60, 30 * 60)
    client.predict(photo, api_name="/saliency")
    assert any("photo" in name for name in files_below(served.cache))
    delete_files_created_by_app(served.page, None)  # as if the half hour was over
    assert [name for name in files_below(served.cache) if "photo" in name] == []
    examples = [c.samples for c in served.page.blocks.values() if hasattr(c, "samples")]
    paths = [sample[0] for samples in examples for sample in samples or []]
    assert len(paths) == 5 and all(Path(path["path"]).is_file() for path in paths)


def test_nothing_outside_is_asked(served: Served) -> None:
    assert served.outside == []
    assert served.page.analytics_enabled is False
