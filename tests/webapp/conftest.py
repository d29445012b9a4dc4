"""Fixtures for the tests of the page."""

from tests.webapp.serving import served  # noqa: F401 - a fixture
