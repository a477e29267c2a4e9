"""For the benchmarks: what they print is not to be lost in the log, nor the log to be timed."""

from __future__ import annotations

import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def quiet_log(logs_as_they_were):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
