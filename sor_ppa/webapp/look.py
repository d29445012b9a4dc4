"""How the page looks: a theme of the system's own fonts, and a little CSS. Nothing is fetched."""

from __future__ import annotations

from sor_ppa.webapp.gradio import gr

TITLE = "What people look at"
HEADER = """
# What people look at
Which objects of a picture draw attention, in which order, with which outline; and where the eyes \
rest. Pictures of up to {limits} stay on this server and are deleted after {minutes:g} minutes.
"""

CSS = """
.gradio-container { width: 100% !important; max-width: 1200px !important;
  margin: 0 auto !important; }
#header h1 { margin-bottom: 0.2em; }
#header p { color: var(--body-text-color-subdued); max-width: 46em; }
#note { min-height: 1.5em; }
#result { min-height: 240px; }
#result img { width: auto; height: auto; max-width: 100%; max-height: 62vh; margin: 0 auto;
  background: repeating-conic-gradient(#d6d6d6 0% 25%, #ffffff 0% 50%) 0 0 / 24px 24px; }
#table { font-variant-numeric: tabular-nums; --font-mono: var(--font); }
#files { overflow-wrap: anywhere; }
#files .label-clear-button { display: none; }
@media (max-width: 640px) {
  #header h1 { font-size: 1.4em; }
  #tasks .tab-container button { padding: 0 8px !important; }
}
"""


def theme() -> gr.themes.Base:
    """Gradio's soft theme, with fonts that every system has."""
    return gr.themes.Soft(
        primary_hue="violet",
        secondary_hue="amber",
        neutral_hue="slate",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )
