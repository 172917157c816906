"""The built-in runners promise what every runner does; several processes take minutes."""

import pytest

from remgcl.plugins.runners import DeepSpeed, Local
from remgcl.testing import conformance

TestLocal = conformance(Local(cpu=True))
TestDeepSpeed = pytest.mark.slow(conformance(DeepSpeed(cpu=True)))
