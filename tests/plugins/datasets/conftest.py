"""Records to read, about the pictures of a folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remgcl.plugins.datasets import LlavaJson

Record = dict[str, Any]


@pytest.fixture(scope="session")
def record() -> Callable[..., Record]:
    """A function that makes a record of human and gpt in turn; other keys as they are given."""

    def make(*said: str, **keys: Any) -> Record:  # noqa: ANN401 - what JSON can hold
        speakers = ("human", "gpt")
        return keys | {"conversations": [{"from": speakers[i % 2], "value": text} for i, text in enumerate(said)]}

    return make


@pytest.fixture
def dataset(tmp_path: Path, folder: Path) -> Callable[..., LlavaJson]:
    """A function that writes records, or anything else, to a file and gives the dataset of it."""

    def write(held: object, **settings: Any) -> LlavaJson:  # noqa: ANN401 - fields of the dataset
        path = tmp_path / "records.json"
        path.write_text(json.dumps(held))
        return LlavaJson(path=str(path), images=str(folder), **settings)

    return write
