"""The web page: components, and handlers that only pass on. Needs the extra ``app`` (gradio)."""

from __future__ import annotations

import html
import inspect
import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.showing.inputs import NoInputError, sample_pictures
from sor_ppa.webapp import look
from sor_ppa.webapp.answers import TABLE_HEAD, Answer, Studio
from sor_ppa.webapp.gradio import gr, is_http_url_like
from sor_ppa.webapp.tabs import Ask, task_tabs

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 60


@dataclass(frozen=True)
class Traffic:
    """How much the page does at once.

    Attributes:
        concurrency: pictures that the networks work on at the same time.
        queue_size: pictures that wait; whoever comes then is told to try again.
        keep_minutes: uploads and results are deleted when they are older.

    Raises:
        ConfigError: a value that cannot work.
    """

    concurrency: int = 1
    queue_size: int = 16
    keep_minutes: float = 30

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.queue_size < 1 or not self.keep_minutes > 0:
            raise ConfigError(
                "--concurrency, --queue-size and --keep-minutes must be at least 1, got "
                f"{self.concurrency}, {self.queue_size} and {self.keep_minutes:g}"
            )


def build_page(
    studio: Studio, traffic: Traffic | None = None, *, work: Path | None = None
) -> gr.Blocks:
    """The page, ready for :func:`launch`.

    Args:
        studio: makes the answers.
        traffic: limits; the default ones when None.
        work: answers are made in folders below this one, below the system's folder of temporary
            files, and not in gradio's own (GRADIO_TEMP_DIR); None = that of the system.
    """
    traffic = traffic or Traffic()
    age = int(traffic.keep_minutes * 60)
    with gr.Blocks(
        title=look.TITLE, analytics_enabled=False, delete_cache=(min(_SWEEP_SECONDS, age), age)
    ) as page:
        about = {"limits": studio.limits, "minutes": traffic.keep_minutes}
        gr.Markdown(look.HEADER.format(**about), elem_id="header")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                picture = _picture()
                asks = task_tabs(studio)
                _examples(picture)
            with gr.Column(min_width=320):
                shown = _results()
        for ask in asks:
            _connect(ask, picture, shown, traffic, work)
    page.queue(max_size=traffic.queue_size, default_concurrency_limit=traffic.concurrency)
    return page


def launch(
    page: gr.Blocks, studio: Studio, *, host: str = "127.0.0.1", port: int | None = None
) -> str:
    """Starts the server in a thread and returns its address; ``page.close()`` ends it.

    The page is never shared through gradio's tunnel.

    Args:
        page: of :func:`build_page`.
        studio: the one it was built with: its limits hold for uploads.
        host: the address to listen at; "0.0.0.0" = everybody who can reach this machine.
        port: None = the first free one from 7860.

    Raises:
        OSError: the port is taken.
    """
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        share=False,
        inbrowser=False,
        prevent_thread_lock=True,
        quiet=True,
        show_error=False,  # of gradio's own errors; ours are always shown
        ssr_mode=False,
        max_file_size=studio.limits.bytes,
        theme=look.theme(),
        css=look.CSS,
        footer_links=["api"],
    )
    return address


@dataclass(frozen=True)
class _Shown:
    picture: gr.Image
    note: gr.Markdown
    files: gr.File
    table: gr.Dataframe


def _picture() -> gr.Image:
    """The picture to look at, handed to the handlers as the very file that came.

    ``gr.Image`` decodes what comes before a handler is called, with errors and an orientation of
    its own; here only the project's one reader decodes. (A subclass would be the plain way, but
    gradio writes a .pyi file beside the source of every subclass.)
    """
    picture = gr.Image(
        label="Picture", type="filepath", image_mode=None, height=340, elem_id="picture",
        sources=["upload", "webcam", "clipboard"],
    )  # fmt: skip
    decoded = picture.preprocess

    def as_it_came(payload: Any) -> Any:  # noqa: ANN401 - gradio's ImageData, or None
        in_words = payload is None or (payload.url or "").startswith("data:")
        return decoded(payload) if in_words or not payload.path else str(payload.path)

    moved = picture.async_move_resource_to_block_cache

    async def not_fetched(path: str | Path | None) -> str | None:
        # An address instead of a file would make the server fetch it.
        if is_http_url_like(str(path)):
            message = "Send the picture itself: this page fetches nothing from elsewhere."
            raise gr.Error(message, print_exception=False)
        return await moved(path)

    picture.preprocess = as_it_came  # type: ignore[method-assign]
    picture.async_move_resource_to_block_cache = not_fetched  # type: ignore[assignment,method-assign]
    return picture


def _examples(picture: gr.Image) -> None:
    try:
        samples = sample_pictures()
    except NoInputError as error:
        logger.info("no examples: %s", error)
        return
    gr.Examples(
        [[path] for path in samples],
        inputs=[picture],
        label="Examples",
        cache_examples=False,
        elem_id="examples",
        api_visibility="private",
    )


def _results() -> _Shown:
    picture = gr.Image(
        label="Result", type="filepath", interactive=False, elem_id="result",
        buttons=["download", "fullscreen"],
    )  # fmt: skip
    note = gr.Markdown("", elem_id="note")
    table = gr.Dataframe(
        headers=list(TABLE_HEAD), label="Ranked objects", interactive=False, visible=False,
        elem_id="table", wrap=True,
    )  # fmt: skip
    files = gr.File(
        label="Download", file_count="multiple", interactive=False, visible=False, elem_id="files"
    )
    return _Shown(picture, note, files, table)


def _connect(
    ask: Ask, picture: gr.Image, shown: _Shown, traffic: Traffic, work: Path | None
) -> None:
    """Wires a task's button; its answer is also the API's endpoint of that name."""
    ranked = ask.name == "rank"
    # First, whatever an earlier press left goes: it does not belong to what is asked now.
    pressed = ask.button.click(
        lambda: (None, "", gr.update(value=None, visible=False), gr.update(visible=False)),
        outputs=[shown.picture, shown.note, shown.files, shown.table],
        api_visibility="private",
        queue=False,
        show_progress="hidden",
    )
    answered = pressed.then(
        _handler(ask, work, ranked=ranked),
        inputs=[picture, *ask.settings.values()],
        outputs=[shown.picture, shown.note, shown.files, *([shown.table] if ranked else [])],
        api_name=ask.name,
        api_description=(ask.answer.__doc__ or "").splitlines()[0],
        concurrency_limit=traffic.concurrency,
        concurrency_id="networks",
        scroll_to_output=True,
        show_progress_on=[shown.picture],
    )
    answered.success(
        lambda: (gr.update(visible=True), gr.update(visible=ranked)),
        outputs=[shown.files, shown.table],
        api_visibility="private",
        queue=False,
        show_progress="hidden",
    )


def _handler(
    ask: Ask, work: Path | None, *, ranked: bool
) -> Callable[..., Iterator[tuple[Any, ...]]]:
    """What a button calls; whatever goes wrong becomes a message on the page."""

    def handle(picture: str | None, *values: Any) -> Iterator[tuple[Any, ...]]:
        if not picture:
            raise gr.Error("Choose a picture first.", print_exception=False)
        settings = dict(zip(ask.settings, values, strict=True))
        # A generator: gradio copies the files into its cache when they are handed out, and goes on
        # here, where they are deleted.
        with tempfile.TemporaryDirectory(prefix="sor_ppa_", dir=work) as folder:
            answer = _guarded(lambda: ask.answer(picture, Path(folder), **settings))
            table = ([list(row) for row in answer.table],) if ranked else ()
            yield str(answer.picture), answer.note, [str(file) for file in answer.files], *table

    # The API calls its arguments as the handler does.
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = [inspect.Parameter(name, kind) for name in ("picture", *ask.settings)]
    handle.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
    return handle


def _guarded(run: Callable[[], Answer]) -> Answer:
    try:
        return run()
    except (SaliencyError, OSError) as error:
        logger.info("refused: %s", error)
        # Messages are shown as HTML, and they name files of strangers.
        text = html.escape(str(error))
        raise gr.Error(text, print_exception=False) from error
    except Exception as error:
        logger.exception("failed")
        text = "Something went wrong on the server; its log has the details."
        raise gr.Error(text, print_exception=False) from error
