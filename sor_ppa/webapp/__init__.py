"""What stands behind the web page ``demo/app.py``: pictures in, answers and files out.

:mod:`~sor_ppa.webapp.models` keeps the networks, :mod:`~sor_ppa.webapp.answers` makes the results.
Neither knows of gradio; :mod:`~sor_ppa.webapp.page` is the page around them, and the only part that
needs the extra ``app``.
"""
