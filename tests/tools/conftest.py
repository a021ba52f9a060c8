"""Shared by the tests of the tools: the program that `TOOL` of the test file names, as a module."""

import importlib.util
import sys

import pytest

from basicsr.utils.logger import close_root_logger


@pytest.fixture(autouse=True)
def console_log():
    """Messages go to the console of the test, whatever logger an earlier test has set up."""
    close_root_logger()
    yield
    close_root_logger()


@pytest.fixture(scope='module')
def tool(request):
    """The module that the path `TOOL` leads to; a tool may change `sys.path`, which is put back."""
    path = request.module.TOOL
    saved = list(sys.path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = saved
