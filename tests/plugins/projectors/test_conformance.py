"""The built-in projectors promise what every projector does."""

from remgcl.plugins.projectors import Identity, Linear, MlpGelu
from remgcl.testing import conformance

TestIdentity = conformance(Identity())
TestLinear = conformance(Linear())
TestMlpGelu = conformance(MlpGelu())
TestDeepMlpGelu = conformance(MlpGelu(depth=4))
