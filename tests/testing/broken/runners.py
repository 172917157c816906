"""Runners that break their promises; none of them trains anything."""

from attrs import frozen

from remgcl import Job, Layout, Recipe, RunError, Runner
from remgcl.testing import conformance


@frozen(kw_only=True)
class Lazy(Runner):
    """Do nothing."""

    def run(self, job: Job) -> None:
        """Do it."""


@frozen(kw_only=True)
class Nowhere(Lazy):
    """Be spread over no process."""

    def layout(self) -> Layout:
        """Tell so."""
        return Layout(processes=0)


@frozen(kw_only=True)
class Refuses(Lazy):
    """Refuse every recipe."""

    def verify(self, recipe: Recipe) -> None:
        """Refuse it."""
        raise RunError(f"not {recipe.name!r}")


@frozen(kw_only=True)
class Words(Lazy):
    """Tell the time in words."""

    def run(self, job: Job) -> None:
        """Finish at once."""
        job.finish(job.build_objective(job.build_model()), {"terms": {"global": {"last": 0.5}}, "seconds": "3 s"})


TestLazy = conformance(Lazy())
TestNowhere = conformance(Nowhere())
TestRefuses = conformance(Refuses())
TestWords = conformance(Words())
