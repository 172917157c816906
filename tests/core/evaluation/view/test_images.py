"""Images of a page: small copies inside it, or links."""

import base64
import io
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from remgcl import DataError, Picture
from remgcl.core.evaluation.view.images import Frame, show_all
from remgcl.core.files.images import digest


@pytest.fixture
def large(tmp_path: Path) -> Picture:
    """A picture of 1200 x 300 pixels in a file."""
    file = tmp_path / "data" / "a b#1.png"
    file.parent.mkdir()
    Image.new("RGB", (1200, 300), "red").save(file)
    return Picture(name=file.name, file=file)


def test_an_image_is_embedded_small_and_keeps_its_own_size_for_regions(large: Picture, tmp_path: Path) -> None:
    shown = Frame(page=tmp_path / "page.html", size=400).show(large)
    head, _, held = shown.url.partition(",")
    assert head == "data:image/webp;base64"
    assert Image.open(io.BytesIO(base64.b64decode(held))).size == (400, 100)
    assert (shown.width, shown.height) == (1200, 300)
    assert large.file is not None
    assert shown.content == digest(large.file.read_bytes())


def test_a_link_leads_from_the_page_to_the_file(large: Picture, tmp_path: Path) -> None:
    page = tmp_path / "out" / "page.html"
    shown = Frame(page=page, link=True).show(large)
    assert "#" not in shown.url
    assert large.file is not None
    assert (page.parent / unquote(shown.url)).resolve() == large.file.resolve()


def test_an_image_without_a_file_of_its_own_is_embedded_even_where_others_are_linked(
    large: Picture, tmp_path: Path
) -> None:
    assert large.file is not None
    raw = large.file.read_bytes()
    shown = Frame(page=tmp_path / "page.html", link=True).show(Picture(name="row 3", content=lambda: raw))
    assert shown.url.startswith("data:image/webp")
    assert shown.content == digest(raw)


def test_images_that_cannot_be_read_are_named_and_the_others_shown(large: Picture, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    pictures = {
        "whole": large,
        "gone": Picture(name="gone.png", file=tmp_path / "gone.png"),
        "text": Picture(name="text.png", file=tmp_path / "text.png"),
    }
    done: list[None] = []
    shown, missing = show_all(pictures, Frame(page=tmp_path / "page.html"), lambda: done.append(None))
    assert list(shown) == ["whole"]
    assert "there is no such file" in missing["gone"]
    assert "cannot be read" in missing["text"]
    assert len(done) == 3


def test_a_picture_in_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is in no file"):
        Frame(page=tmp_path / "page.html").show(Picture(name="x"))
