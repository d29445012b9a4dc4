"""Metrics of fixation maps, one family a file; :mod:`sor_ppa.evaluation.fixation` is the way in."""
