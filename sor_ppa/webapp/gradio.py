"""gradio, or a word on where to get it."""

from __future__ import annotations

from sor_ppa.errors import ConfigError

try:
    import gradio as gr
    from gradio_client.utils import is_http_url_like
except ImportError as error:
    raise ConfigError(
        "the page needs gradio: pip install 'sor_ppa[app]', or pip install gradio"
    ) from error

__all__ = ["gr", "is_http_url_like"]
