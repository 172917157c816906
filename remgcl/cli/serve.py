"""``remgcl serve``: serve OpenAI's chat API over HTTP."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

from remgcl.cli.asking import Base, Conv, Device, Dtype, Stage, Tower, without_bars

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(  # noqa: PLR0913 - the options of a command
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run folders; the first is the default model.")],
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535)] = 8000,
    page: Annotated[bool, typer.Option("--page", help="Serve a web page at /.")] = False,
    ocr: Annotated[
        str | None, typer.Option(metavar="ENGINE", help="The OCR engine that finds text regions for the page.")
    ] = None,
    api_key_env: Annotated[
        str,
        typer.Option(metavar="NAME", help="The environment variable that holds the API key."),
    ] = "REMGCL_API_KEY",
    allow_urls: Annotated[
        str | None, typer.Option(metavar="HOST,...", help="Hosts that images may be fetched from; none by default.")
    ] = None,
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Questions answered at once.")] = 8,
    queue: Annotated[int, typer.Option(metavar="N", min=1, help="Requests accepted at once.")] = 256,
    max_new_tokens: Annotated[int | None, typer.Option(metavar="N", min=1, help="Longest answer in tokens.")] = None,
    max_bytes: Annotated[int, typer.Option(metavar="N", min=1, help="Largest request in bytes.")] = 32 << 20,
    max_pixels: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Largest image in pixels, padded to a square.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.001, help="Longest time for an answer in seconds.")
    ] = 300.0,
    engine: Annotated[
        Literal["remgcl", "vllm"], typer.Option(help="vllm starts vLLM with an exported model.")
    ] = "remgcl",
    stage: Stage = None,
    conv: Conv = None,
    base: Base = None,
    tower: Tower = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Serve models over HTTP with OpenAI's chat API: /v1/models, /v1/chat/completions, /health, /metrics."""
    from pathlib import Path

    from remgcl.core.files.extras import verify_installed

    key = os.environ.get(api_key_env) or None
    if engine == "vllm":
        from remgcl.core.serving.vllm import hand_over, vllm_command

        hand_over(vllm_command(Path(runs[0]), host, port, Path(runs[0]).name), key)
    for library in ("fastapi", "uvicorn", "prometheus_client"):
        verify_installed(library, "remgcl serve", "remgcl[serve]")
    if page:
        verify_installed("gradio", "remgcl serve --page", "remgcl[page]")
    import uvicorn

    from remgcl import LARGEST_IMAGE, Engine
    from remgcl.core.inference.fetch import Fetcher
    from remgcl.core.serving.app import Server
    from remgcl.core.serving.limits import Limits
    from remgcl.core.serving.models import load_all

    without_bars()
    models = load_all(runs, stage=stage, template=conv, base=base, tower=tower, device=device, dtype=dtype)
    hosts = [name.strip() for name in (allow_urls or "").split(",") if name.strip()]
    limits = Limits(
        batch_size=batch_size,
        queue=queue,
        body_bytes=max_bytes,
        pixels=max_pixels or LARGEST_IMAGE,
        max_new_tokens=max_new_tokens,
        seconds=seconds,
    )
    server = Server(models, limits, Fetcher(hosts=hosts) if hosts else None, key)
    app = server.app()
    if page:
        from remgcl.core.serving.page import mount

        mount(app, models, None if ocr is None else Engine.installed().ocr_engine(ocr)[0].build(), key)
    if host not in LOOPBACK and key is None:
        typer.secho(
            f"{host}: anyone who can reach it can use the models; set {api_key_env} to a key", fg="yellow", err=True
        )
    typer.echo(f"{', '.join(model.name for model in models)} at http://{host}:{port}{'/' if page else '/v1'}", err=True)
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=int(seconds) + 1)
