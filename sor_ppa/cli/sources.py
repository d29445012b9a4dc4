"""What all tasks do with their inputs: pictures, then videos, then webcams, then the list of
what failed.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import SaliencyError
from sor_ppa.showing.inputs import Source, expand_inputs, sample_pictures
from sor_ppa.showing.show import Outcome, Renderer, VideoRun, show_pictures, show_webcam


@dataclass
class Run:
    """One call of the command.

    Attributes:
        args: the parsed options.
        sources: all inputs.
        predictor: the model.
        renderer: makes the files.
        save: keeps the run's list; called whenever it may be the last chance.
        outcomes: of all pictures and of failed videos, in order.
    """

    args: argparse.Namespace
    sources: list[Source]
    predictor: Predictor
    renderer: Renderer
    save: Callable[[], None]
    outcomes: list[Outcome] = field(default_factory=list)

    def pictures(self) -> None:
        """Does the pictures, with a progress bar."""
        todo = self._todo("picture")
        done = show_pictures(self.predictor, todo, self.renderer, strict=self.args.strict)
        with contextlib.closing(done), self._saved():
            self.outcomes.extend(tqdm(done, total=len(todo), unit="picture", disable=not todo))

    def videos(self) -> None:
        """Does the videos, each with a progress bar."""
        for source in self._todo("video"):
            try:
                with self._saved():
                    self._video(source)
            except SaliencyError as error:
                if self.args.strict:
                    raise
                self.outcomes.append(Outcome(source, error=error))

    def webcams(self) -> None:
        """Shows the webcams, one after the other."""
        for source in self.sources:
            if source.kind == "webcam":
                show_webcam(self.predictor, source, self.renderer)

    def report(self, places: Iterable[tuple[Path, str]], seconds: float) -> int:
        """Says what failed and where the results are; gives back the exit status."""
        failed = [outcome for outcome in self.outcomes if outcome.error]
        for outcome in failed:
            say_error(f"failed: {outcome.error}")
        say(f"\ndone in {seconds:.1f} s")
        for path, meaning in places:
            say(f"  {path}  ({meaning})")
        return 0 if not failed else 1 if len(failed) < len(self.sources) else 2

    def _video(self, source: Source) -> None:
        size = getattr(self.args, "batch_size", 1)
        video = VideoRun(self.predictor, source, self.renderer, batch_size=size)
        total = video.info.frames or None
        with contextlib.closing(iter(video)) as frames:
            for _ in tqdm(frames, total=total, unit="frame", desc=source.label):
                pass

    def _todo(self, kind: str) -> list[Source]:
        sources = [source for source in self.sources if source.kind == kind]
        todo = [source for source in sources if not self.renderer.has(source)]
        if len(todo) < len(sources):
            say(f"{len(sources) - len(todo)} {kind}s were done before")
        return todo

    @contextlib.contextmanager
    def _saved(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.save()


def find_sources(args: argparse.Namespace, own_paths: tuple[str, ...]) -> list[Source]:
    """What the options name as inputs.

    Raises:
        NoInputError: nothing.
    """
    wanted = args.input + (sample_pictures() if args.samples else [])
    return expand_inputs(wanted, exclude=own_paths)


def say(text: str) -> None:
    """One line to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_error(text: str) -> None:
    """One line to standard error."""
    sys.stderr.write(text + "\n")
