from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sor_ppa.errors import ConfigError
from sor_ppa.visualization.output_types import draw, parse_type


@pytest.mark.parametrize(
    ("value", "kind", "name", "rgb"),
    [
        ("map", "map", "map", None),
        ("rgba", "rgba", "rgba", None),
        ("green", "colour", "green", (120, 255, 155)),
        ("white", "colour", "white", (255, 255, 255)),
        ("[255, 0, 0]", "colour", "255-0-0", (255, 0, 0)),
        ("255,0,0", "colour", "255-0-0", (255, 0, 0)),
        ("(1,2, 3)", "colour", "1-2-3", (1, 2, 3)),
        ([255, 0, 0], "colour", "255-0-0", (255, 0, 0)),
        ((0, 0, 7), "colour", "0-0-7", (0, 0, 7)),
        (np.array([9, 8, 7]), "colour", "9-8-7", (9, 8, 7)),
        ("blur", "blur", "blur", None),
        ("overlay", "overlay", "overlay", None),
        ("pyramid", "pyramid", "pyramid", None),
        ("debug", "pyramid", "pyramid", None),
    ],
)
def test_names(value: object, kind: str, name: str, rgb: tuple | None) -> None:
    parsed = parse_type(value)  # type: ignore[arg-type]
    assert (parsed.kind, parsed.name) == (kind, name)
    assert rgb is None or parsed.rgb == rgb
    assert parse_type(parsed) is parsed
    assert parsed.has_alpha == (kind == "rgba")


def test_a_file_is_a_background(tmp_path: Path) -> None:
    path = tmp_path / "beach at noon.jpg"
    path.touch()
    parsed = parse_type(str(path))
    assert (parsed.kind, parsed.name) == ("picture", "beach at noon")
    assert parsed.background == str(path)


@pytest.mark.parametrize(
    "value",
    ["", "rgb", "RGBA", "256,0,0", "1,2", "-1,0,0", "[255,", "gone.jpg", [], [1, 2], [1, 2, 300],
     [0.5, 0, 0], ["a", "b", "c"]],
)  # fmt: skip
def test_unknown_types_are_refused_with_the_list(value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_type(value)  # type: ignore[arg-type]
    for name in ("map", "rgba", "green", "white", "blur", "overlay", "pyramid", "255,0,0"):
        assert name in str(caught.value)


@pytest.mark.parametrize("kind", ["pyramid", __file__])
def test_what_needs_more_than_a_map(kind: str) -> None:
    with pytest.raises(ConfigError, match="needs more"):
        draw(kind, np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32))
