"""detectron2's checkpointer with atomic saving and safe, self-explaining loading."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import torch
from detectron2.checkpoint import DetectionCheckpointer
from torch import nn

from sor_ppa.checkpoint import atomic, conversion, encoders, fit, formats
from sor_ppa.checkpoint.tensorflow import find_tensorflow
from sor_ppa.errors import CheckpointError

logger = logging.getLogger(__name__)

_LAST = "last_checkpoint"
# Under this name a training passes itself.
_TRAINER = "trainer"


class SaliencyCheckpointer(DetectionCheckpointer):
    """Saves so that a kill cannot hurt; loads published files and ours, without trusting them.

    What a file is, is told from the names in it (:mod:`sor_ppa.checkpoint.published`). Tensors of
    another shape are skipped with one table in the log; a file that hardly fits at all, or holds
    NaN, is refused.

    Args:
        model: network to fill; a DistributedDataParallel wrapper is looked through.
        save_dir: folder of the run.
        save_to_disk: default: on the main process only.
        allow_pickle: open pickles in full (detectron2's ``.pkl`` files, old checkpoints). They can
            then run any code.
        strict: refuse files that leave part of the model unset; resuming is always strict.
        checkpointables: objects with ``state_dict``/``load_state_dict``, saved along.
    """

    def __init__(
        self,
        model: nn.Module,
        save_dir: str = "",
        *,
        save_to_disk: bool | None = None,
        allow_pickle: bool = False,
        strict: bool = False,
        **checkpointables: Any,
    ) -> None:
        super().__init__(model, save_dir, save_to_disk=save_to_disk, **checkpointables)
        self.allow_pickle = allow_pickle
        self.strict = strict
        self.last_fit: fit.Fit | None = None
        self._swept = False
        self._heuristics = False
        self._reading = ""

    # ---- saving

    def save(self, name: str, *, tag_last: bool = True, **kwargs: Any) -> None:
        """Writes ``<save_dir>/<name>.pth`` whole or not at all, then ``last_checkpoint``.

        Args:
            name: file name without suffix.
            tag_last: make it the file from which a run resumes.
            kwargs: data to save beside the model and the checkpointables.

        Raises:
            CheckpointError: the file cannot be written, or the model holds NaN or infinity (such a
                file could not be resumed).
        """
        if not self.save_dir or not self.save_to_disk:
            return
        self._sweep()
        state = self.model.state_dict()
        _check_finite(state, name)
        data = {"model": state, **{k: v.state_dict() for k, v in self.checkpointables.items()}}
        path = Path(self.save_dir) / f"{name}.pth"
        logger.info("Saving checkpoint to %s", path)
        try:
            with atomic.atomic_open(path) as file:
                torch.save({**data, **kwargs}, file)
            if tag_last:
                self.tag_last_checkpoint(path.name)
        except OSError as error:
            raise CheckpointError(
                f"{path} could not be written ({error}); what was there before is whole. Make room "
                "or choose another OUTPUT_DIR, and go on with --resume."
            ) from error

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Names the file from which a run resumes; written in one stroke, after that file."""
        atomic.write_text(Path(self.save_dir) / _LAST, last_filename_basename)

    def _sweep(self) -> None:
        if not self._swept:
            os.makedirs(self.save_dir, exist_ok=True)
            atomic.remove_stale(self.save_dir)
            self._swept = True

    # ---- finding

    def has_checkpoint(self) -> bool:
        """Whether ``save_dir`` holds a whole checkpoint to resume from."""
        return bool(self.get_checkpoint_file())

    def get_checkpoint_file(self) -> str:
        """The checkpoint to resume from, "" if there is none.

        It is the one that ``last_checkpoint`` names; where that note is missing or torn, or names
        a file that is not whole, the whole checkpoint that was written last.
        """
        folder = Path(self.save_dir)
        noted = _read_note(folder / _LAST)
        if noted and _iteration(folder / noted) is not None:
            return str(folder / noted)
        others = (p for p in sorted(folder.glob("*.pth")) if p.name != "model_best.pth")
        found = [(i, p) for p in others if (i := _iteration(p)) is not None]
        if not found:
            return ""
        iteration, path = max(found, key=lambda pair: (pair[1].stat().st_mtime_ns, pair[0]))
        logger.warning(
            "%s does not name a whole checkpoint (%r); taking %s of iteration %d.",
            folder / _LAST,
            noted,
            path,
            iteration,
        )
        return str(path)

    # ---- loading

    def resume_or_load(self, path: str, *, resume: bool = True) -> dict[str, Any]:
        """Resumes from ``save_dir`` if asked and possible, else loads the weights in ``path``.

        Raises:
            CheckpointError: see :meth:`load`. A checkpoint to resume from must fit completely.
        """
        last = self.get_checkpoint_file() if resume else ""
        if not last:
            rest = self.load(path, checkpointables=[])
            if _TRAINER in self.checkpointables:  # about to train
                fitted = self.last_fit if path else None
                encoders.warn_of_random_encoders(self.model.state_dict(), fitted)
            return rest
        strict, self.strict = self.strict, True
        try:
            return self.load(last)
        finally:
            self.strict = strict

    def load(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Fills the model (and the checkpointables) from a file.

        Args:
            path: local path, URL or a prefix known to detectron2 (``detectron2://``,
                ``sor_ppa://``). "" loads nothing.
            args: as for detectron2's checkpointer.
            kwargs: as for detectron2's checkpointer.

        Returns:
            What else the file holds.

        Raises:
            CheckpointError: the file cannot be had, read or trusted, or does not fit the model.
        """
        if not path:
            return super().load(path, *args, **kwargs)
        self._heuristics = False
        local = self._fetch(path)
        try:
            return super().load(local, *args, **kwargs)
        except (ValueError, KeyError) as error:  # the state of the optimiser, of another run
            raise CheckpointError(
                f"{path} holds the state of a run with other settings ({error}); start a new run "
                "(no --resume, another OUTPUT_DIR) with MODEL.WEIGHTS set to this file."
            ) from error
        finally:
            self._parsed_url_during_load = None  # detectron2 main keeps it after an error

    def _fetch(self, path: str) -> str:
        """Local path of a file; ``?matching_heuristics=True`` at its end works as on main."""
        if path.startswith("sor_ppa://"):
            import sor_ppa.model_zoo  # noqa: F401  (registers the prefix)
        query = parse_qs(urlsplit(path).query) if "?" in path else {}
        if set(query) == {"matching_heuristics"}:
            self._heuristics = query["matching_heuristics"] == ["True"]
            path = path[: path.rindex("?")]
        try:
            local = self.path_manager.get_local_path(path)
        except Exception as error:  # network, unknown prefix, missing bundled file
            raise CheckpointError(
                f"Checkpoint {path} cannot be fetched ({error}); check MODEL.WEIGHTS."
            ) from error
        local = find_tensorflow(local)
        if not os.path.exists(local):
            _refuse_untrained(path)
        formats.check_is_file(local, shown=path)
        return local

    def _load_file(self, filename: str) -> dict[str, Any]:
        self._reading = filename
        payload = formats.read_checkpoint(filename, allow_pickle=self.allow_pickle)
        if self._heuristics:
            payload["matching_heuristics"] = True
        return payload

    def _load_model(self, checkpoint: dict[str, Any]) -> None:
        """Fills the model; the log gets one account, so the base class has nothing to add."""
        result, source = conversion.arrange(checkpoint, self.model.state_dict())
        for key in ("model", "__metadata__"):
            checkpoint.pop(key, None)
        encoders.check_encoders(result, self._reading, title=source.title)
        fit.check(result, self._reading, title=source.title, strict=self.strict)
        self.model.load_state_dict(result.kept, strict=False)
        level = logging.INFO if result.complete else logging.WARNING
        logger.log(level, fit.describe(result, self._reading, title=source.title))
        self.last_fit = result


def _refuse_untrained(path: str) -> None:
    """Says which training writes a missing file, if one of ours does."""
    from sor_ppa.model_zoo.files import trained_by

    if name := trained_by(path):
        raise CheckpointError(
            f"{path} does not exist yet: it is what training {name} gives. Run "
            f"`python tools/train_net.py --config-file {name}` first, or set MODEL.WEIGHTS to a "
            "published file of that network."
        )


def _read_note(path: Path) -> str:
    """The file name in ``last_checkpoint``; "" if it is missing or was torn into nonsense."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if re.fullmatch(r"[^/\\\x00-\x1f]+", text) else ""


def _iteration(path: Path) -> int | None:
    """Iteration of a whole training checkpoint, None for anything else; reads no tensors."""
    if not path.is_file():
        return None
    try:
        data = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # torn, foreign or not mappable: not one to resume from
        return None
    iteration = data.get("iteration") if isinstance(data, dict) else None
    return iteration if isinstance(iteration, int) and _TRAINER in data else None


def _check_finite(state: dict[str, torch.Tensor], name: str) -> None:
    broken = [k for k, v in state.items() if not fit.is_finite(v)]
    if broken:
        raise CheckpointError(
            f"{name} was not saved: {len(broken)} tensors of the model hold NaN or infinity "
            f"({', '.join(broken[:5])}). Resume from the last checkpoint with a lower "
            "SOLVER.BASE_LR."
        )
