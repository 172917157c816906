"""``remgcl serve``: a process that answers programs, shows a page to people, and ends when it is told to."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image, ImageDraw, ImageFont

from remgcl import RunError, load
from remgcl.core.serving.vllm import vllm_command

Call = Callable[..., Any]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 180
"""Seconds that a busy machine may take."""


@pytest.fixture(scope="module")
def served(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address and the process of a server of two models, with a page."""
    for library in ("fastapi", "gradio", "rapidocr"):
        pytest.importorskip(library, reason="the extras 'page' and 'ocr' are not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [
        sys.executable,
        "-m",
        "remgcl",
        "serve",
        trained,
        trained,
        "--page",
        "--ocr",
        "rapidocr",
        "--port",
        str(port),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"REMGCL_API_KEY": ""})  # noqa: S603 - our own command
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
    while True:
        try:
            assert httpx.get(f"{address}/health").json()["status"] == "ok"
            break
        except httpx.TransportError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
    yield address, process
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)
    assert "Traceback" not in log.read_text()


def test_programs_are_answered(served: tuple[str, Any], trained: Path) -> None:
    client = openai.OpenAI(base_url=f"{served[0]}/v1", api_key="none", max_retries=0)
    assert [model.id for model in client.models.list()] == ["small", "small-2"]
    said: list[Any] = [{"role": "user", "content": "What?"}]
    found = client.chat.completions.create(model="small-2", messages=said, max_tokens=8)
    assert found.choices[0].message.content == load(trained).ask(None, "What?", max_new_tokens=8)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at the page with")
def test_people_see_answers_regions_and_what_patches_know_of_a_word(served: tuple[str, Any], tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    picture = Image.new("RGB", (320, 160), "white")
    ImageDraw.Draw(picture).text((30, 40), "HERE 742", "black", ImageFont.load_default(56))
    picture.save(tmp_path / "picture.png")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1500, "height": 1200})
        page.set_default_timeout(1000 * PATIENCE)
        try:
            page.goto(served[0])
            page.locator("#image input[type=file]").set_input_files(tmp_path / "picture.png")
            page.locator("#regions img").wait_for()
            page.locator("#message textarea").fill("What?")
            page.locator("#message textarea").press("Enter")
            for place in range(2):
                page.locator(f"#chat-{place} .bot").first.wait_for()
            page.locator("#word textarea").fill("HERE")
            page.locator("#word textarea").press("Enter")
            for place in range(2):
                page.locator(f"#map-{place} img").wait_for()
            page.wait_for_timeout(1000)
            for name in ("#map-0", "#map-1", "#regions"):
                page.locator(name).screenshot(path=tmp_path / f"{name.removeprefix('#')}.png")
        finally:
            page.screenshot(path=tmp_path / "page.png", full_page=True)
            browser.close()
    assert shares(tmp_path / "regions.png")[0] > 0.005  # the outline of the first region
    assert min(shares(tmp_path / "map-0.png")) > 0.01
    assert min(shares(tmp_path / "map-1.png")) > 0.01


def shares(file: Path) -> tuple[float, float]:
    """Measure how much of a picture is red, and how much is blue."""
    pixels = np.asarray(Image.open(file).convert("RGB")).reshape(-1, 3).astype(int)
    difference = pixels[:, 0] - pixels[:, 2]
    return float((difference > 50).mean()), float((difference < -50).mean())


def test_what_cannot_be_served_is_an_error_of_the_user(remgcl: Call, tmp_path: Path, trained: Path) -> None:
    ended = remgcl("serve", tmp_path / "nowhere")
    assert (ended.code, ended.out) == (2, "")
    assert "there is no such folder" in ended.err
    ended = remgcl("serve", trained, "--engine", "vllm")
    assert ended.code == 2
    assert "is no LlavaForConditionalGeneration, which vLLM serves; write one with: remgcl export" in ended.err


def test_vllm_gets_the_folder_that_it_can_serve(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["LlavaForConditionalGeneration"]}')
    with pytest.raises(RunError, match=r"--engine vllm: needs vllm, which is not installed"):
        vllm_command(tmp_path, "127.0.0.1", 8000, "mine")
    program, told = tmp_path / "bin" / "vllm", tmp_path / "told"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$VLLM_API_KEY" "$@" > {told}\n')
    program.chmod(0o755)
    found = {"PATH": f"{program.parent}:{os.environ['PATH']}", "MY_KEY": "secret"}
    options = ["--engine", "vllm", "--host", "0.0.0.0", "--port", "8123", "--api-key-env", "MY_KEY"]  # noqa: S104 - not bound
    command = [sys.executable, "-m", "remgcl", "serve", str(tmp_path), *options]
    subprocess.run(command, check=True, env=os.environ | found)  # noqa: S603 - our own command
    assert told.read_text().splitlines() == [
        *("secret", "serve", str(tmp_path), "--host", "0.0.0.0", "--port", "8123"),  # noqa: S104 - as above
        *("--served-model-name", tmp_path.name, "--limit-mm-per-prompt", '{"image": 1}'),
    ]
