"""The tests here compute with many more bits than the program, and leave its precision as they found it."""

import pytest
from flint import ctx


@pytest.fixture(autouse=True)
def precision():
    before = ctx.prec
    yield
    ctx.prec = before
