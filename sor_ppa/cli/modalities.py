"""What a network sees beside the pictures: which config ``--task`` means, what belongs to what."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import PurePosixPath

from detectron2.config import CfgNode

from sor_ppa import model_zoo
from sor_ppa.cli.options import PICTURE_TASKS, SALIENCY_CONFIG
from sor_ppa.cli.sources import find_sources
from sor_ppa.data.dense.modalities import modality_kinds
from sor_ppa.errors import ConfigError, DataError
from sor_ppa.showing.inputs import Source
from sor_ppa.showing.pairing import WORDS, find_beside, pair_sources, with_own_motion

logger = logging.getLogger(__name__)

_SHOWN = 20
# The networks of stage 2; those of stage 1 only make labels.
_NETWORKS = ("cornet", "midnet")
_REMEDY = (
    "give trained ones with --weights FILE (and their --config-file), or train them with "
    'tools/train_unsupervised.py. With random weights it runs, too: --opts MODEL.WEIGHTS ""'
)


def config_for(args: argparse.Namespace) -> str:
    """``--config-file``, or what ``--task`` means without it.

    Raises:
        ConfigError: no weights come with a network for that task, and none are given.
    """
    if args.config_file:
        return str(args.config_file)
    task = args.picture_task
    if not task:
        return SALIENCY_CONFIG
    plain = f"a2s/{'cornet' if task == 'rgb' else 'midnet'}-{task}.yaml"
    if _names_weights(args):
        return plain
    if task == "rgb":
        return SALIENCY_CONFIG
    if bundled := _bundled(task):
        return bundled
    raise ConfigError(
        f"--task {task}: no trained network for it comes with this package; {plain} is its usual "
        f"config: {_REMEDY}"
    )


def refuse_training_start(args: argparse.Namespace, config_file: str, cfg: CfgNode) -> None:
    """Makes sure that weights which training begins with are not taken for trained ones.

    Raises:
        ConfigError: they would be.
    """
    if not _names_weights(args) and "://dl.fbaipublicfiles.com/" in cfg.MODEL.WEIGHTS:
        raise ConfigError(
            f"{config_file}: its MODEL.WEIGHTS ({cfg.MODEL.WEIGHTS}) are those that training "
            f"begins with; {_REMEDY}"
        )


def seen_kind(cfg: CfgNode, task: str | None) -> str:
    """What the network of a config sees beside the picture; "" = nothing.

    Raises:
        ConfigError: that is something else than ``task`` says, or several things.
    """
    kinds = modality_kinds(cfg) if cfg.INPUT.DENSE.TEST_MODALITIES else ()
    if len(kinds) > 1:
        raise ConfigError(
            f"this network sees {', '.join(kinds)} beside a picture, and the command line can give "
            "one kind only; use sor_ppa.engine.Predictor"
        )
    kind = kinds[0] if kinds else ""
    if kind and task and PICTURE_TASKS[task] != kind:
        fitting = next(name for name, of in PICTURE_TASKS.items() if of == kind)
        raise ConfigError(
            f"--task {task} does not fit the config: its network sees {kind} beside the picture; "
            f"say --task {fitting}, or choose another --config-file"
        )
    return kind


def sources_with(args: argparse.Namespace, kind: str, own_paths: tuple[str, ...]) -> list[Source]:
    """The inputs that the options name, each with what is seen beside it.

    Files of ``--modality-input`` that belong to no input are listed as warnings; an input to which
    none belongs carries the reason and fails when its turn comes.

    Args:
        args: the options.
        kind: of :func:`seen_kind`.
        own_paths: results of earlier runs.

    Raises:
        NoInputError: no input, or no modality, is there.
        ConfigError: the network needs a modality and none is given.
        DataError: not one of the inputs has a partner; lists all files.
    """
    specs = args.modality_input
    others = find_beside(specs, args.input, own_paths) if specs else []
    # What is named as a modality is no input, even where it lies among them.
    sources = find_sources(args, (*own_paths, *(other.path for other in others)))
    if not kind:
        if others:
            logger.warning("--modality-input is not used: this network sees only the picture")
        return sources
    if not others:
        if kind != "flow":
            raise ConfigError(
                f"this network sees a {WORDS[kind]} beside each picture: give the files, or their "
                "folder, with --modality-input"
            )
        return with_own_motion(sources)
    paired, unused = pair_sources(sources, others, kind)
    missing = [s.beside.missing for s in paired if s.beside and s.beside.missing]
    if len(missing) == len(paired):
        raise DataError([*missing, *unused], what="--modality-input", shown=len(missing) + _SHOWN)
    _list(unused)
    return paired


def _names_weights(args: argparse.Namespace) -> bool:
    return bool(args.weights) or "MODEL.WEIGHTS" in args.opts[::2]


def _bundled(task: str) -> str:
    """The config of a network for the task that comes with weights; "" = none."""
    for name in model_zoo.available():
        path = PurePosixPath(name)
        words = path.stem.split("-")
        fits = path.parts[0] == "a2s" and words[0] in _NETWORKS and task in words
        if fits and model_zoo.has_weights(name):
            return name
    return ""


def _list(unused: Sequence[str]) -> None:
    for line in unused[:_SHOWN]:
        logger.warning("%s", line)
    if len(unused) > _SHOWN:
        logger.warning("... and %d more files of --modality-input", len(unused) - _SHOWN)
