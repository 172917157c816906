"""The built-in losses promise what every loss does, with each objective, learned or not."""

from remgcl.plugins.losses import Global, RefinedLocal, SlidingWindow
from remgcl.testing import conformance

TestGlobal = conformance(Global())
TestGlobalAlignment = conformance(Global(objective="alignment", padding=True))
TestGlobalLearned = conformance(Global(objective="sigmoid", learned=True))
TestSlidingWindow = conformance(SlidingWindow())
TestSlidingWindowAlignment = conformance(SlidingWindow(objective="alignment", patches=2, patch_stride=2))
TestSlidingWindowLearned = conformance(SlidingWindow(learned=True, sharpness=0.2))
TestRefinedLocal = conformance(RefinedLocal())
TestRefinedLocalAlignment = conformance(RefinedLocal(objective="alignment", confidence="certainty"))
TestRefinedLocalLearned = conformance(RefinedLocal(objective="sigmoid", learned=True, across_ranks=False))
