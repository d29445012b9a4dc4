"""The tabs of the page: a button with its settings for each task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sor_ppa.webapp.answers import FIXATION_VIEWS, SALIENCY_VIEWS, Answer, Studio
from sor_ppa.webapp.gradio import gr


@dataclass(frozen=True)
class Ask:
    """One task of the page: a button, its settings, and what answers.

    ``settings`` maps the names of ``answer``'s arguments to components.
    """

    name: str
    button: gr.Button
    settings: Mapping[str, gr.components.Component]
    answer: Callable[..., Answer]


def task_tabs(studio: Studio) -> list[Ask]:
    """A tab for each task; one without weights says so and has no button."""
    makers = (
        ("Rank", "rank", _rank_tab),
        ("Saliency", "saliency", _saliency_tab),
        ("Cut-out", "saliency", _cut_out_tab),
        ("Fixation", "fixation", _fixation_tab),
    )
    asks = []
    with gr.Tabs(elem_id="tasks"):
        for label, kind, make in makers:
            with gr.Tab(label, id=label.lower()):
                names = studio.shelf.names(kind)
                if names:
                    model = gr.Dropdown(names, value=names[0], label="Model", interactive=True)
                    asks.append(make(studio, model))
                else:
                    gr.Markdown(
                        f"**No weights of a {kind} model are here.** Start the page with "
                        "`--config-file` and `--weights` to add one."
                    )
    return asks


def _rank_tab(studio: Studio, model: gr.Dropdown) -> Ask:
    unranked = gr.Checkbox(False, label="Outline objects without a rank, too")
    button = gr.Button("Rank the objects", variant="primary", elem_id="rank")
    return Ask("rank", button, {"model": model, "show_unranked": unranked}, studio.rank)


def _saliency_tab(studio: Studio, model: gr.Dropdown) -> Ask:
    view = gr.Radio(list(SALIENCY_VIEWS), value=SALIENCY_VIEWS[0], label="Show")
    button = gr.Button("Show what stands out", variant="primary", elem_id="saliency")
    return Ask("saliency", button, {"model": model, "view": view}, studio.saliency)


def _cut_out_tab(studio: Studio, model: gr.Dropdown) -> Ask:
    background = gr.Dropdown(
        ["transparent", "blur", "white", "green", "0,0,0"],
        value="transparent",
        label="Background",
        info="or any colour as red,green,blue",
        allow_custom_value=True,
    )
    with gr.Row():
        trim = gr.Checkbox(False, label="Trim to the object", min_width=220)
        reverse = gr.Checkbox(False, label="Keep the background instead", min_width=220)
    button = gr.Button("Cut out", variant="primary", elem_id="cut_out")
    settings = {"model": model, "background": background, "trim": trim, "reverse": reverse}
    return Ask("cut_out", button, settings, studio.cut_out)


def _fixation_tab(studio: Studio, model: gr.Dropdown) -> Ask:
    view = gr.Radio(list(FIXATION_VIEWS), value=FIXATION_VIEWS[0], label="Show")
    button = gr.Button("Show where people look", variant="primary", elem_id="fixation")
    return Ask("fixation", button, {"model": model, "view": view}, studio.fixation)
