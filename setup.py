"""Packaging of sor_ppa. Needs neither torch nor detectron2, and compiles nothing.

detectron2 and torch are not in ``install_requires``: which build fits is the user's choice, and
detectron2 is not on PyPI (``python tools/install_detectron2.py`` provides it). Importing sor_ppa
without them says what to do.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CONFIGS = "sor_ppa/model_zoo/configs"


class BuildWithConfigs(build_py):
    """Copies ``configs/`` into the package, inside the build folder: the source tree stays clean.

    An editable install copies nothing; the model zoo then reads the checkout's ``configs/``.
    """

    def run(self) -> None:
        """Builds the package and puts the configs beside the model zoo."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, CONFIGS)
        shutil.rmtree(target, ignore_errors=True)  # no config of an earlier build may survive
        for path in _config_files():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / "configs" / path, target / path)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """All files that this command writes, configs included."""
        copied = [str(Path(self.build_lib, CONFIGS, path)) for path in _config_files()]
        return super().get_outputs(include_bytecode) + copied

    def get_source_files(self) -> list[str]:
        """All files that a source archive must hold for a later build."""
        needed = [f"configs/{path.as_posix()}" for path in _config_files()]
        return super().get_source_files() + needed


def _config_files() -> list[Path]:
    """Every config and its notes, relative to ``configs/``."""
    folder = ROOT / "configs"
    found = (path for path in folder.rglob("*") if path.suffix in (".yaml", ".md"))
    return sorted(path.relative_to(folder) for path in found)


def _version() -> str:
    text = (ROOT / "sor_ppa" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.M)
    if found is None:
        raise RuntimeError("sor_ppa/__init__.py names no __version__")
    return found[1]


def _readme() -> str:
    path = ROOT / "README.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _pins(*names: str) -> list[str]:
    """The tested versions of ``names``, from the requirements files."""
    files = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt"]
    lines = [line for path in files if path.is_file() for line in path.read_text().split()]
    pins = {line.partition("==")[0]: line for line in lines if "==" in line}
    return [pins.get(name, name) for name in names]


setup(
    name="sor_ppa",
    version=_version(),
    description="Which objects of a picture people look at, in which order, with which outline.",
    long_description=_readme(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["sor_ppa", "sor_ppa.*"]),
    package_data={"sor_ppa.model_zoo": ["weights/**/*.safetensors", "weights/**/*.md"]},
    python_requires=">=3.10",
    install_requires=[
        "numpy>=2.0",
        "Pillow>=11.0",
        "pycocotools>=2.0.8",
        "fvcore>=0.1.5.post20221221",
        "iopath>=0.1.9",
        "safetensors>=0.4.3",
        "scipy>=1.13",
        "tqdm>=4.60",
        "termcolor>=1.1",
        "tabulate>=0.9",
        "yacs>=0.1.8",
    ],
    extras_require={
        # Any OpenCV will do (also opencv-python, or the system's), so none is a hard requirement.
        "opencv": ["opencv-python-headless>=4.10"],
        "demo": ["opencv-python-headless>=4.10", "scikit-image>=0.24", "matplotlib>=3.11"],
        # The web page demo/app.py.
        "app": ["gradio>=6.31,<7", "opencv-python-headless>=4.10", "scikit-image>=0.24"],
        # Colours of half-transparent edges; sound and transparency of videos; curves; ONNX.
        "matting": ["pymatting>=1.1.12"],
        "video": ["imageio-ffmpeg>=0.5"],
        "plots": ["matplotlib>=3.8"],
        # The compiled CRF (needs a C++ compiler); our own, in NumPy and SciPy, is as fast.
        "crf": ["pydensecrf2>=1.1"],
        # PASCAL-S keeps its fixations in a MATLAB 7.3 file.
        "hdf5": ["h5py>=3.10"],
        "onnx": ["onnx>=1.17", "onnxscript>=0.5", "onnxruntime>=1.20"],
        "test": _pins("pytest", "pytest-xdist", "hypothesis", "pysodmetrics", "shapely", "h5py"),
        "lint": _pins("ruff", "mypy"),
    },
    entry_points={"console_scripts": ["sor-ppa = sor_ppa.cli:main"]},
    cmdclass={"build_py": BuildWithConfigs},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    zip_safe=False,
)
