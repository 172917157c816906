"""Every built-in generator promises what a generator does."""

from remgcl.plugins.generators import Compose, Reasoning, Rewrite
from remgcl.testing import conformance

TestCompose = conformance(Compose())
TestReasoning = conformance(Reasoning(layout="published"))
TestQuestionFirst = conformance(Reasoning(order="question_first", per_image=2))
TestRewrite = conformance(Rewrite(base=Compose(per_image=2), rounds=2))
TestRewriteOfReasoning = conformance(Rewrite(base=Reasoning()))
