"""What has to change in detectron2's Python code so that it runs on today's libraries.

One row of :data:`TABLE` is one search-and-replace with the exact number of places it must hit.
Used by ``install_detectron2.py``; a row that hits another number of places stops the build.
"""

from __future__ import annotations

from typing import NamedTuple

# Goes behind "+pure." in the wheel's version; raise it when anything below changes.
PATCH_LEVEL = 1


class Patch(NamedTuple):
    """Replaces ``old`` by ``new`` in ``file`` (below ``detectron2/``), ``times`` times exactly."""

    file: str
    old: str
    new: str
    times: int
    why: str


_PILLOW = "Pillow 10 removed Image.LINEAR"
_PKG_RESOURCES = "setuptools 82 removed pkg_resources"
_NUMPY = "NumPy 1.24 removed the aliases np.bool, np.int, np.float and np.str"
_SCHEDULER = "since torch 2.0 native schedulers are not _LRScheduler: their state was not saved"
_FINDER = "importlib.abc and importlib.util must be imported by name"
_CPU = "several processes on CPU (gloo)"
_AMP = "torch.cuda.amp is deprecated"
_WARN = "Logger.warn is deprecated"

_RESOURCE_CALL = """    cfg_file = pkg_resources.resource_filename(
        "detectron2.model_zoo", os.path.join("configs", config_path)
    )
"""
_RESOURCE_PATH = """    cfg_file = os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "configs", config_path
    )
"""
_CUDA_ASSERT = (
    '    assert torch.cuda.is_available(), "cuda is not available. '
    'Please check your installation."\n'
)
_SET_DEVICE = """    assert num_gpus_per_machine <= torch.cuda.device_count()
    torch.cuda.set_device(local_rank)
"""
_SET_DEVICE_IF_GPU = """    if has_gpu:
        assert num_gpus_per_machine <= torch.cuda.device_count()
        torch.cuda.set_device(local_rank)
"""

# The only rows that detectron2's main branch still needs.
_ZOO_ROWS = (
    Patch("model_zoo/model_zoo.py", "import pkg_resources\n", "", 1, _PKG_RESOURCES),
    Patch("model_zoo/model_zoo.py", _RESOURCE_CALL, _RESOURCE_PATH, 1, _PKG_RESOURCES),
)

TABLE: tuple[Patch, ...] = (
    Patch("data/transforms/transform.py", "Image.LINEAR", "Image.BILINEAR", 1, _PILLOW),
    *_ZOO_ROWS,
    Patch(
        "export/__init__.py",
        "from .api import *\n",
        "try:\n    from .api import *\nexcept ImportError:\n    pass\n",
        1,
        "caffe2 left PyTorch",
    ),
    Patch(
        "evaluation/coco_evaluation.py",
        "from detectron2.evaluation.fast_eval_api import COCOeval_opt\n",
        "COCOeval_opt = COCOeval\n",
        1,
        "the fast COCO evaluator needs compiled code",
    ),
    Patch("evaluation/pascal_voc_evaluation.py", "np.bool)", "bool)", 2, _NUMPY),
    Patch("evaluation/sem_seg_evaluation.py", "dtype=np.int)", "dtype=int)", 2, _NUMPY),
    Patch("evaluation/sem_seg_evaluation.py", "dtype=np.float)", "dtype=float)", 2, _NUMPY),
    Patch("evaluation/sem_seg_evaluation.py", "astype(np.float)", "astype(float)", 3, _NUMPY),
    Patch("structures/masks.py", "np.bool)", "bool)", 2, _NUMPY),
    Patch("data/datasets/pascal_voc.py", "np.str)", "str)", 1, _NUMPY),
    Patch("data/build.py", "np.int)", "int)", 1, _NUMPY),
    Patch("data/build.py", "dtype=np.int\n", "dtype=int\n", 1, _NUMPY),
    Patch("utils/visualizer.py", "np.bool)", "bool)", 3, _NUMPY),
    Patch("utils/video_visualizer.py", "np.bool)", "bool)", 1, _NUMPY),
    Patch(
        "layers/mask_ops.py",
        "np.array(mask, copy=False)",
        "np.asarray(mask)",
        1,
        "copy=False changed its meaning in NumPy 2",
    ),
    Patch(
        "engine/hooks.py",
        "torch.optim.lr_scheduler._LRScheduler",
        "torch.optim.lr_scheduler.LRScheduler",
        2,
        _SCHEDULER,
    ),
    Patch(
        "utils/visualizer.py",
        "        return modified_color\n",
        "        return tuple(np.clip(modified_color, 0.0, 1.0))\n",
        1,
        "a colour a rounding error outside [0, 1] is refused by matplotlib",
    ),
    Patch(
        "projects/__init__.py",
        "import importlib\n",
        "import importlib.abc\nimport importlib.util\n",
        1,
        _FINDER,
    ),
    Patch("engine/launch.py", _CUDA_ASSERT, "    has_gpu = torch.cuda.is_available()\n", 1, _CPU),
    Patch("engine/launch.py", 'backend="NCCL"', 'backend="NCCL" if has_gpu else "GLOO"', 1, _CPU),
    Patch("engine/launch.py", _SET_DEVICE, _SET_DEVICE_IF_GPU, 1, _CPU),
    Patch(
        "engine/train_loop.py",
        "from torch.cuda.amp import GradScaler\n",
        "from torch.amp import GradScaler\n",
        1,
        _AMP,
    ),
    Patch("engine/train_loop.py", "GradScaler()", 'GradScaler("cuda")', 1, _AMP),
    Patch(
        "engine/train_loop.py",
        "from torch.cuda.amp import autocast\n",
        "from torch.amp import autocast\n",
        1,
        _AMP,
    ),
    Patch("engine/train_loop.py", "with autocast():", 'with autocast("cuda"):', 1, _AMP),
    Patch(
        "modeling/anchor_generator.py",
        "torch.meshgrid(shifts_y, shifts_x)",
        'torch.meshgrid(shifts_y, shifts_x, indexing="ij")',
        1,
        "torch.meshgrid wants its indexing named",
    ),
    Patch("evaluation/coco_evaluation.py", "ogger.warn(", "ogger.warning(", 2, _WARN),
    Patch("evaluation/lvis_evaluation.py", "ogger.warn(", "ogger.warning(", 2, _WARN),
    Patch("evaluation/sem_seg_evaluation.py", "ogger.warn(", "ogger.warning(", 2, _WARN),
    Patch("engine/defaults.py", "ogger.warn(", "ogger.warning(", 1, _WARN),
    Patch("data/datasets/coco.py", "ogger.warn(", "ogger.warning(", 2, _WARN),
)


def table_for(version: str, *, is_main: bool) -> tuple[Patch, ...]:
    """The rows that a source tree needs.

    Args:
        version: ``detectron2.__version__`` of the tree. The main branch calls itself 0.6 too.
        is_main: whether the tree is newer than the tag v0.6.

    Raises:
        KeyError: a version that nobody has tried.
    """
    if is_main:
        return _ZOO_ROWS
    # v0.6 has one np.bool more in structures/masks.py; all other rows are those of v0.5.
    masks = {"0.5": 2, "0.6": 3}[version]
    return tuple(
        row._replace(times=masks) if row.file == "structures/masks.py" else row for row in TABLE
    )


# Stands in for the compiled module `detectron2._C`, which several files import by name.
C_STUB = '''"""Stand-in for detectron2's compiled operators, which a pure-Python build lacks."""

IS_STUB = True


def get_compiler_version():
    return "not built (pure-Python wheel)"


def get_cuda_version():
    return "not built (pure-Python wheel)"


def has_cuda():
    return False


def __getattr__(name):
    if name.startswith("__"):  # inspection asks for these and must be told the usual way
        raise AttributeError(name)
    raise NotImplementedError(
        f"detectron2._C.{name} is compiled code, and this is a pure-Python build of detectron2 "
        "(see detectron2/PATCHES.txt). Install the official build where you need it: see "
        "https://detectron2.readthedocs.io/tutorials/install.html, 'Build Detectron2 from Source'."
    )
'''
