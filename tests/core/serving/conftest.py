"""A server in a thread, on a free port of the loopback address."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from remgcl.core.inference.loaded import LoadedModel
    from remgcl.core.serving.app import Server

Serve = Callable[..., str]


@contextmanager
def running(server: Server) -> Iterator[str]:
    """Run a server; give its address."""
    import uvicorn

    web = uvicorn.Server(uvicorn.Config(server.app(), port=0, log_level="warning", timeout_graceful_shutdown=5))
    thread = Thread(target=web.run, daemon=True)
    thread.start()
    while not web.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{web.servers[0].sockets[0].getsockname()[1]}"
    web.should_exit = True
    thread.join()


@pytest.fixture
def serve(asked_model: LoadedModel) -> Iterator[Serve]:
    """Serve the small model, or others, with limits; give the address."""
    pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
    from remgcl.core.serving.app import Server
    from remgcl.core.serving.limits import Limits

    with ExitStack() as stack:

        def start(*models: LoadedModel, fetcher: Any = None, key: str | None = None, **limits: Any) -> str:  # noqa: ANN401 - of a server
            server = Server(models or [asked_model], Limits(**limits), fetcher, key)
            return stack.enter_context(running(server))

        yield start
