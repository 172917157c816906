"""What a server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BATCHES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Requests, tokens, batches and times of one server."""

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        self.requests = Counter("remgcl_requests", "Requests by HTTP status.", ["status"], registry=self.registry)
        self.tokens = Counter("remgcl_generated_tokens", "Tokens of answers.", registry=self.registry)
        self.seconds = Histogram("remgcl_request_seconds", "Seconds from request to answer.", registry=self.registry)
        self.batches = Histogram(
            "remgcl_batch_size", "Questions answered at once.", buckets=BATCHES, registry=self.registry
        )
        self._taken = Gauge("remgcl_requests_in_flight", "Requests that are accepted.", registry=self.registry)
        self._waiting = Gauge("remgcl_requests_waiting", "Questions that wait for a batch.", registry=self.registry)

    def watch(self, taken: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Read two numbers whenever the metrics are requested.

        Args:
            taken: Counts the requests that are taken on.
            waiting: Counts the questions that wait.
        """
        self._taken.set_function(taken)
        self._waiting.set_function(waiting)

    def text(self) -> bytes:
        """Write all in Prometheus's format."""
        return generate_latest(self.registry)
