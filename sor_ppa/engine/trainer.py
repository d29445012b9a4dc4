"""One trainer for every task, on detectron2's DefaultTrainer."""

from __future__ import annotations

import logging
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NoReturn

from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase, hooks
from detectron2.engine.train_loop import TrainerBase
from detectron2.evaluation import DatasetEvaluator, inference_on_dataset
from detectron2.modeling import build_model
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager
from fvcore.nn.precise_bn import get_bn_modules
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from sor_ppa.checkpoint import SaliencyCheckpointer
from sor_ppa.engine.hooks import BestCheckpoint, EpochHook, EvalHook, StopHook, StopRequested
from sor_ppa.engine.leaks import warn_of_leaks
from sor_ppa.engine.loaders import TrainLoader, build_test_loader, build_train_loader
from sor_ppa.engine.processes import share_buffers, unwrapped, wrap_for_processes
from sor_ppa.engine.randomness import INITIALISATION, seed_everything
from sor_ppa.engine.result_log import Results, log_results, numbers_only
from sor_ppa.engine.solver import build_lr_scheduler, build_optimizer, with_epochs
from sor_ppa.engine.step import TrainStep, resolve_precision
from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.evaluation import build_evaluator

logger = logging.getLogger(__name__)

# What a run counts as where SOLVER.EPOCHS is 0, for networks that learn by the epoch.
_EPOCHS = 20


class Trainer(DefaultTrainer):
    """Trains what a config describes; a killed and resumed run ends as if it had not been killed.

    Compared with detectron2's trainer: checkpoints hold the optimiser's state, the seed of the
    run and nothing torn; every step's randomness follows from seed and iteration; a global batch
    is the same whatever the number of processes; several processes also run on the CPU; mixed
    precision on any device; SIGINT and SIGTERM write a checkpoint and end with status 130 / 143.

    Args:
        cfg: full config; ``SEED`` below 0 draws a seed, which the checkpoints keep.
        allow_pickle: let MODEL.WEIGHTS be a pickle, which can run any code.
    """

    def __init__(self, cfg: CfgNode, *, allow_pickle: bool = False) -> None:
        super(DefaultTrainer, self).__init__()  # its own __init__ wraps DDP for GPUs only
        cfg = DefaultTrainer.auto_scale_workers(cfg, comm.get_world_size())
        # default_setup makes it too, but not everybody comes through a program.
        PathManager.mkdirs(cfg.OUTPUT_DIR)
        warn_of_leaks(cfg)
        self.run_seed = cfg.SEED if cfg.SEED >= 0 else comm.shared_random_seed()
        seed_everything(self.run_seed, INITIALISATION)  # equal weights on every process
        model = self.build_model(cfg)
        loader = self.build_train_loader(cfg)
        loader.seed = self.run_seed
        self.cfg = cfg = with_epochs(cfg, loader.signature()["images"])
        optimizer = self.build_optimizer(cfg, model)
        self._trainer = TrainStep(
            wrap_for_processes(model, sync_bn=cfg.MODEL.SYNC_BN),
            loader,
            optimizer,
            seed=self.run_seed,
            precision=resolve_precision(cfg),
        )
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        self.checkpointer = SaliencyCheckpointer(
            model, cfg.OUTPUT_DIR, allow_pickle=allow_pickle, trainer=weakref.proxy(self)
        )
        self.start_iter = 0
        self.max_iter = cfg.SOLVER.MAX_ITER
        self._stop = StopHook()
        self._last_eval_results: Results = {}
        self.register_hooks(self.build_hooks())

    # ---- parts

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        """The network on its device.

        Raises:
            ConfigError: a name in the config is not registered.
        """
        try:
            model = build_model(cfg)
        except KeyError as error:
            raise ConfigError(
                f"{error.args[0]} Check its spelling in the config; a module of your own must be "
                "imported before the model is built."
            ) from error
        count = sum(p.numel() for p in model.parameters() if p.requires_grad)
        logger.info("Model:\n%s\n%s trainable parameters", model, f"{count:,}")
        return model

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> Optimizer:
        """See :func:`sor_ppa.engine.solver.build_optimizer`."""
        return build_optimizer(cfg, model)

    @classmethod
    def build_lr_scheduler(cls, cfg: CfgNode, optimizer: Optimizer) -> LRScheduler:
        """See :func:`sor_ppa.engine.solver.build_lr_scheduler`."""
        return build_lr_scheduler(cfg, optimizer)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> TrainLoader:
        """See :func:`sor_ppa.engine.loaders.build_train_loader`; the run sets its ``seed``."""
        return build_train_loader(cfg, seed=max(cfg.SEED, 0))

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> DataLoader:
        """See :func:`sor_ppa.engine.loaders.build_test_loader`."""
        return build_test_loader(cfg, dataset_name)

    @classmethod
    def build_evaluator(
        cls, cfg: CfgNode, dataset_name: str, output_dir: str | None = None
    ) -> DatasetEvaluator:
        """The evaluator that the data set's ``evaluator_type`` asks for."""
        return build_evaluator(cfg, dataset_name, output_dir)

    def build_hooks(self) -> list[HookBase | None]:
        """Timing, epochs, learning rate, stopping, checkpoints, evaluation, best one, logs."""
        cfg, main = self.cfg, comm.is_main_process()
        period, keep = cfg.SOLVER.CHECKPOINT_PERIOD, cfg.SOLVER.CHECKPOINT_KEEP
        return [
            hooks.IterationTimer(),
            self._epochs(),
            hooks.LRScheduler(),
            self._stop,
            self._precise_bn(),
            hooks.PeriodicCheckpointer(self.checkpointer, period, max_to_keep=keep or None)
            if main
            else None,
            EvalHook(cfg.TEST.EVAL_PERIOD, self._evaluate),
            BestCheckpoint(
                cfg.TEST.EVAL_PERIOD,
                self.checkpointer,
                cfg.TEST.BEST_METRIC,
                mode=cfg.TEST.BEST_MODE,
            )
            if cfg.TEST.BEST_METRIC
            else None,
            hooks.PeriodicWriter(self.build_writers(), period=20) if main else None,
        ]

    def _epochs(self) -> HookBase | None:
        if not hasattr(unwrapped(self.model), "set_epoch"):
            return None
        return EpochHook(self.cfg.SOLVER.EPOCHS or _EPOCHS)

    def _precise_bn(self) -> HookBase | None:
        cfg = self.cfg.clone()
        if not cfg.TEST.PRECISE_BN.ENABLED or not get_bn_modules(self.model):
            return None
        cfg.defrost()
        cfg.DATALOADER.NUM_WORKERS = 0
        loader = self.build_train_loader(cfg)
        return hooks.PreciseBN(
            cfg.TEST.EVAL_PERIOD, self.model, loader, cfg.TEST.PRECISE_BN.NUM_ITER
        )

    # ---- the run

    def resume_or_load(self, resume: bool = True) -> None:
        """Continues the run in OUTPUT_DIR if asked and there is one, else loads MODEL.WEIGHTS.

        Raises:
            CheckpointError: the file cannot be used (see the checkpointer).
        """
        self.iter = -1
        self.checkpointer.resume_or_load(self.cfg.MODEL.WEIGHTS, resume=resume)
        self.start_iter = self.iter + 1  # load_state_dict has set it, or nothing has
        if resume and self.start_iter == 0:
            logger.info("Nothing to resume in %s: starting anew.", self.cfg.OUTPUT_DIR)
        self._trainer.data_loader.start = self.start_iter
        if self.start_iter >= self.max_iter:
            logger.warning(
                "%s has all of its %d iterations already; raise SOLVER.MAX_ITER to go on.",
                self.cfg.OUTPUT_DIR,
                self.max_iter,
            )

    def train(self) -> Results | None:
        """Runs the iterations that are left.

        Returns:
            Results of the last evaluation where TEST.EXPECTED_RESULTS asks for a check.

        Raises:
            SystemExit: with status 130 or 143 after SIGINT or SIGTERM, the checkpoint written.
        """
        with self._stop:
            try:
                return super().train()
            except StopRequested as stop:
                self._save_and_leave(stop.number)

    def run_step(self) -> None:
        """One iteration.

        Raises:
            SaliencyError: the loss is not finite, or a loader worker died.
        """
        try:
            super().run_step()
        except RuntimeError as error:
            if "DataLoader worker" not in str(error) or isinstance(error, SaliencyError):
                raise
            raise SaliencyError(
                f"A data loader worker died at iteration {self.iter} ({error}). If the machine is "
                "short of memory, lower DATALOADER.NUM_WORKERS; go on with --resume."
            ) from error

    def _save_and_leave(self, number: int) -> NoReturn:
        self.checkpointer.save(f"model_{self.iter:07d}", iteration=self.iter)
        comm.synchronize()
        logger.info("Stopped after iteration %d; go on with --resume.", self.iter)
        raise SystemExit(128 + number)

    def _evaluate(self) -> dict[str, Any]:
        """Results for the logs; what is not a number (a metric that is n/a) is left out."""
        share_buffers(self.model)
        self._last_eval_results = self.test(self.cfg, self.model)
        return numbers_only(self._last_eval_results)

    # ---- checkpoints

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs beside the weights, on every detectron2."""
        state = TrainerBase.state_dict(self)
        run = {"seed": self.run_seed, **self._trainer.data_loader.signature()}
        return {**state, "_trainer": self._trainer.state_dict(), "run": run}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restores a run; files of detectron2 0.5 and 0.6, which lack parts, do with a warning."""
        TrainerBase.load_state_dict(self, state_dict)
        self._trainer.load_state_dict(state_dict.get("_trainer", {}))
        run = state_dict.get("run")
        if run is None:  # detectron2's own checkpoint
            return
        self.run_seed = run.get("seed", self.run_seed)
        self._trainer.seed = self._trainer.data_loader.seed = self.run_seed
        now = {"seed": self.run_seed, **self._trainer.data_loader.signature()}
        if changed := [f"{k} {run.get(k)} -> {now[k]}" for k in now if run.get(k) != now[k]]:
            logger.warning(
                "The run goes on with other data than it began with (%s): it does not continue "
                "exactly as it would have.",
                ", ".join(changed),
            )

    # ---- evaluation

    @classmethod
    def test(
        cls,
        cfg: CfgNode,
        model: nn.Module,
        evaluators: list[DatasetEvaluator] | DatasetEvaluator | None = None,
    ) -> Results:
        """Evaluates on every data set of DATASETS.TEST.

        Args:
            cfg: the config.
            model: the network; put into eval mode for the time.
            evaluators: one a data set; default: built from the config.

        Returns:
            ``{task: {metric: value}}`` (empty but on the main process); with several data sets
            ``{data set: {task: ...}}``.
        """
        if isinstance(evaluators, DatasetEvaluator):
            evaluators = [evaluators]
        names = list(cfg.DATASETS.TEST)
        if evaluators is not None and len(evaluators) != len(names):
            raise ConfigError(f"{len(evaluators)} evaluators for DATASETS.TEST {names}")
        network = unwrapped(model)
        results: OrderedDict[str, Any] = OrderedDict()
        for index, name in enumerate(names):
            evaluator = evaluators[index] if evaluators else cls.build_evaluator(cfg, name)
            loader = cls.build_test_loader(cfg, name)
            results[name] = inference_on_dataset(network, loader, evaluator)
            if comm.is_main_process():
                log_results(name, results[name])
        return next(iter(results.values())) if len(results) == 1 else results
