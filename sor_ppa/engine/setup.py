"""From the command line to a frozen config: options, config files, device, logs."""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch.distributed as dist
import yaml
from detectron2.config import CfgNode
from detectron2.engine import default_argument_parser, default_setup
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger

from sor_ppa.compat import available_device
from sor_ppa.config import get_cfg
from sor_ppa.data import register_extra
from sor_ppa.data.aliases import resolve_config
from sor_ppa.data.dense.pseudo import register_pseudo_sets
from sor_ppa.errors import ConfigError
from sor_ppa.model_zoo import get_config_file


def argument_parser(epilog: str | None = None) -> argparse.ArgumentParser:
    """detectron2's options and ours (``--num-processes``, ``--allow-pickle``)."""
    parser = default_argument_parser(epilog)
    parser.add_argument(
        "--num-processes",
        type=int,
        default=0,
        metavar="N",
        help="train on N CPU processes (gloo) of this machine, in place of GPUs",
    )
    parser.add_argument(
        "--allow-pickle",
        action="store_true",
        help="let MODEL.WEIGHTS be a pickle (detectron2's .pkl, old .pth): it can run any code",
    )
    parser.set_defaults(dist_url="auto")
    return parser


def setup(args: argparse.Namespace) -> CfgNode:
    """Config, logs and seeds of a program, as detectron2's ``default_setup`` makes them.

    Args:
        args: of :func:`argument_parser`; ``config_file`` may be a name like ``sor/ppa.yaml``.

    Returns:
        The frozen config. ``MODEL.DEVICE`` is one that exists.

    Raises:
        ConfigError: the file is missing or broken, a key does not exist, a value has the wrong
            type.
    """
    if args.config_file:
        args.config_file = find_config(args.config_file)
    cfg = load_config(args.config_file, args.opts or ())
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="sor_ppa")
    cfg.MODEL.DEVICE = "cpu" if args.num_processes else available_device(cfg.MODEL.DEVICE)
    if cfg.MODEL.DEVICE == "cpu" and comm.get_world_size() > 1 and dist.get_backend() == "nccl":
        raise ConfigError(f"MODEL.DEVICE is cpu: use --num-processes {args.num_gpus}.")
    register_extra(cfg)
    resolve_config(cfg)
    register_pseudo_sets(cfg)
    cfg.freeze()
    default_setup(cfg, args)
    return cfg


def load_config(config_file: str, opts: Sequence[str] = ()) -> CfgNode:
    """The defaults, a config file on top, options on top of that.

    Args:
        config_file: path, or name in the model zoo; "" for the defaults alone.
        opts: KEY VALUE KEY VALUE ...

    Raises:
        ConfigError: naming the key, and the nearest one that exists.
    """
    cfg = get_cfg()
    if config_file:
        path = find_config(config_file)
        try:
            cfg.merge_from_file(path, allow_unsafe=False)
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is not plain YAML: {error}") from error
        except (AttributeError, TypeError) as error:
            raise ConfigError(f"{path}: expected sections of keys, as in MODEL: ...") from error
        except (KeyError, ValueError, AssertionError, OSError) as error:
            raise ConfigError(f"{path}: {_explain(error, cfg)}") from error
    if len(opts) % 2:
        raise ConfigError(f"Options come in pairs KEY VALUE; got {len(opts)}: {' '.join(opts)}")
    try:
        cfg.merge_from_list(list(opts))
    except (KeyError, ValueError, AssertionError) as error:
        raise ConfigError(f"Command line: {_explain(error, cfg)}") from error
    return cfg


def find_config(config_file: str) -> str:
    """The path of a config file: as given if there is such a file, else by name in the zoo.

    Raises:
        ConfigError: it is neither.
    """
    if os.path.isfile(config_file):
        return config_file
    if "://" in config_file:
        return config_file  # detectron2's PathManager knows it, or says that it does not
    return get_config_file(config_file.removeprefix("configs/"))


def _explain(error: Exception, cfg: CfgNode) -> str:
    """The message of yacs, with the nearest existing key where the key does not exist."""
    if isinstance(error, OSError):
        return str(error)
    text = str(error.args[0]) if error.args else type(error).__name__
    key = text.rpartition(": ")[2]
    if "on-existent" not in text:
        return text
    keys = list(_keys(cfg))
    near = difflib.get_close_matches(key, keys, n=1, cutoff=0.0)
    # The last part often is right and the path wrong.
    same = [known for known in keys if known.endswith("." + key.rpartition(".")[2])]
    return f"there is no key {key}; did you mean {(same or near)[0]}?"


def _keys(node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in node.items():
        yield prefix + name
        if isinstance(value, CfgNode):
            yield from _keys(value, f"{prefix}{name}.")
