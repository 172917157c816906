"""Handing a model over to vLLM, where it is in the layout that vLLM reads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from remgcl.core.errors import RunError
from remgcl.core.files.extras import verify_installed
from remgcl.core.files.whole import read

ARCHITECTURE = "LlavaForConditionalGeneration"
"""What vLLM serves of the models that are made here."""


def vllm_command(folder: Path, host: str, port: int, name: str) -> list[str]:
    """Make the command that serves a folder with vLLM.

    Args:
        folder: A model in the layout of transformers' Llava, as `remgcl export` writes it.
        host: The address to bind.
        port: The port.
        name: What clients call the model.

    Raises:
        RunError: The folder is in another layout, or vLLM is not installed.
    """
    config = read(folder / "config.json") or {}
    if ARCHITECTURE not in config.get("architectures", []):
        export = f"remgcl export {folder} --format transformers-llava --out FOLDER"
        raise RunError(f"{folder}: is no {ARCHITECTURE}, which vLLM serves; write one with: {export}")
    program = shutil.which("vllm")  # it may live in an environment of its own
    if program is None:
        verify_installed("vllm", "--engine vllm", "vllm")
        program = "vllm"
    options = ["--host", host, "--port", str(port), "--served-model-name", name]
    return [program, "serve", str(folder), *options, "--limit-mm-per-prompt", '{"image": 1}']


def hand_over(command: list[str], key: str | None) -> None:
    """Become vLLM; does not return.

    Args:
        command: What `vllm_command` made.
        key: The API key, if there is one.
    """
    if key is not None:
        os.environ["VLLM_API_KEY"] = key
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
