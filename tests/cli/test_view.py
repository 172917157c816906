"""`remgcl view`: the page as people look at it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from PIL import Image

from remgcl import Region
from remgcl.core.files.images import digest
from remgcl.core.ocr.cache import Origin
from remgcl.core.ocr.writer import OcrWriter, Row, packed

Evaluation: TypeAlias = Callable[..., Path]
Remgcl: TypeAlias = Callable[..., Any]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUAD = [[5, 5], [60, 5], [60, 30], [5, 30]]


@pytest.fixture
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium to look at the page with")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


def opened(browser: Any, file: Path) -> tuple[Any, list[str]]:  # noqa: ANN401 - of playwright
    """Open a page; also return its errors, dialogs, and what it asks the network for."""
    page, seen = browser.new_page(viewport={"width": 1200, "height": 900}), []
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("dialog", lambda dialog: (seen.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: None if request.url[:5] in {"file:", "data:"} else seen.append(request.url))
    page.goto(file.as_uri())
    page.locator(".card").first.wait_for()
    return page, seen


def count(page: Any) -> str:  # noqa: ANN401 - of playwright
    """Read how many questions are found."""
    return str(page.locator("#count").inner_text())


def images(folder: Path, number: int) -> Path:
    """Write images as the evaluations name them."""
    folder.mkdir(parents=True)
    for place in range(number):
        Image.new("RGB", (320, 160 + place), (255, 240 - place, 230)).save(folder / f"{place}.png")
    return folder


def test_people_filter_search_and_see_regions_and_what_is_dangerous_shows_as_text(
    remgcl: Remgcl,
    evaluation: Evaluation,
    browser: Any,  # noqa: ANN401 - of playwright
    tmp_path: Path,
) -> None:
    bad = "</script><script>alert('reply')</script><img src=x onerror=alert(1)>"
    fields = [{"regions": [{"text": "SALE", "quad": QUAD}]}, {"prediction": bad, "unparsed": True}, {}, {}]
    evaluation(tmp_path / "a" / "signs", [1.0, 0.0, 0.5, 1.0], model="a", fields=fields)
    evaluation(tmp_path / "a" / "menus", [0.0], model="a", benchmark="menus")
    images(tmp_path / "data" / "signs", 2)
    ended = remgcl("view", tmp_path / "a", "--data", tmp_path / "data", "--out", tmp_path / "out" / "page.html")
    assert ended.code == 0
    page, seen = opened(browser, tmp_path / "out" / "page.html")
    assert count(page) == "5 of 5 questions"
    assert page.locator(".card .said", has_text="alert('reply')").inner_text() == f"0{bad}"
    assert page.locator(".card img").count() == 4
    assert page.locator(".card .none").inner_text() == "no image found: 0.png"
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    region = page.locator("polygon")
    assert region.locator("title").text_content() == "SALE"
    box, image = region.bounding_box(), page.locator(".card img").nth(1).bounding_box()
    middle = box["x"] + box["width"] / 2 - image["x"]
    assert middle == pytest.approx(65 / 2 / 320 * image["width"], abs=0.5)
    page.uncheck("#regions")
    assert not region.is_visible()
    for tag, number in (("wrong", 2), ("partly right", 1), ("unparsed", 1), ("right", 2)):
        page.select_option("#tag", tag)
        assert count(page) == f"{number} of 5 questions"
    page.select_option("#benchmark", "menus:plain")
    assert count(page) == "0 of 5 questions"
    page.select_option("#tag", "")
    assert count(page) == "1 of 5 questions"
    page.select_option("#benchmark", "")
    page.select_option("#type", "scene")
    assert count(page) == "2 of 5 questions"
    page.fill("#search", "WHAT IS 3")
    page.wait_for_function("document.getElementById('count').textContent.startsWith('1 of')")
    assert page.locator(".card .about").inner_text() == "signs:plain · scene · q3"
    assert seen == []


def test_five_thousand_questions_are_drawn_as_they_come_into_view(
    remgcl: Remgcl,
    evaluation: Evaluation,
    browser: Any,  # noqa: ANN401 - of playwright
    tmp_path: Path,
) -> None:
    fields = [{"image": f"{place % 100}.png"} for place in range(5000)]
    evaluation(tmp_path / "a", [float(place % 4 > 0) for place in range(5000)], fields=fields)
    file = tmp_path / "page.html"
    assert remgcl("view", tmp_path / "a", "--data", images(tmp_path / "data", 100), "--out", file).code == 0
    assert file.stat().st_size < 4_000_000
    page, seen = opened(browser, file)
    assert count(page) == "5,000 of 5,000 questions"
    few = page.locator(".card").count()
    assert few <= 90
    page.keyboard.press("End")
    page.wait_for_function(f"document.querySelectorAll('.card').length > {few}")
    page.select_option("#tag", "wrong")
    assert count(page) == "1,250 of 5,000 questions"
    page.fill("#search", "what is 4996?")
    page.wait_for_function("document.getElementById('count').textContent.startsWith('1 of')")
    assert page.locator(".card .about").inner_text() == "signs:plain · document · q4996"
    assert seen == []


def data_of(file: Path) -> dict[str, Any]:
    """Read the data of a page."""
    text = file.read_text().partition('id="data">')[2].partition("</script>")[0]
    return dict(json.loads(text))


def test_missing_images_are_named_and_the_page_is_written(
    remgcl: Remgcl, evaluation: Evaluation, tmp_path: Path
) -> None:
    evaluation(tmp_path / "a", [1.0] * 4)
    images(tmp_path / "data", 1)
    (tmp_path / "data" / "1.png").write_bytes(b"no image")
    ended = remgcl("view", tmp_path / "a", "--data", tmp_path / "data", "--out", tmp_path / "page.html")
    assert ended.code == 0
    assert "warning: image '1.png': cannot be read" in ended.out
    assert [card["image"] for card in data_of(tmp_path / "page.html")["cards"]] == [0, 0, -1, -1]


def test_no_image_outside_the_folder_gets_into_a_page(remgcl: Remgcl, evaluation: Evaluation, tmp_path: Path) -> None:
    secret = images(tmp_path / "secret", 1) / "0.png"
    (tmp_path / "data").mkdir()
    evaluation(tmp_path / "a", [1.0, 1.0], fields=[{"image": str(secret)}, {"image": "../secret/0.png"}])
    command = ("view", tmp_path / "a", "--data", tmp_path / "data", "--out", tmp_path / "page.html")
    assert "was not found" in remgcl(*command).out
    assert data_of(tmp_path / "page.html")["images"] == []


def test_regions_come_from_an_ocr_cache(remgcl: Remgcl, evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation(tmp_path / "a", [1.0])
    raw = (images(tmp_path / "data", 1) / "0.png").read_bytes()
    region = Region("742", ((5.0, 5.0), (60.0, 5.0), (60.0, 30.0), (5.0, 30.0)))
    cache = tmp_path / "ocr"
    writer = OcrWriter(cache, Origin(engine="rapidocr", version="1"))
    writer.add(packed(Row(content=digest(raw), name="0.png", size=(320, 160), regions=(region,))))
    writer.flush()
    command = ("view", tmp_path / "a", "--data", tmp_path / "data", "--out", tmp_path / "page.html", "--ocr", cache)
    assert remgcl(*command).code == 0
    assert data_of(tmp_path / "page.html")["cards"][0]["regions"] == [["742", 5, 5, 60, 5, 60, 30, 5, 30]]


def test_files_are_linked_on_request(remgcl: Remgcl, evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation(tmp_path / "a", [1.0])
    images(tmp_path / "data", 1)
    command = ("view", tmp_path / "a", "--data", tmp_path / "data", "--out", tmp_path / "page.html", "--link")
    assert remgcl(*command).code == 0
    assert data_of(tmp_path / "page.html")["images"] == [["data/0.png", 320, 160]]


def test_a_page_of_nothing_is_refused(remgcl: Remgcl, tmp_path: Path) -> None:
    ended = remgcl("view", tmp_path, "--out", tmp_path / "page.html")
    assert ended.code == 2
    assert "holds no scores.json" in ended.err
    assert not (tmp_path / "page.html").exists()


def test_a_benchmark_shows_the_images_that_it_draws_only_with_the_settings_that_were_asked(
    remgcl: Remgcl, tmp_path: Path
) -> None:
    given = ["--benchmark-set", "samples=2", "--benchmark-set", "heights=[20]", "--benchmark-set", "size=64"]
    command = ("eval", "x", "--chat", "scripted", "--chat-set", 'replies=["42"]', "--benchmark", "synthetic", *given)
    assert remgcl(*command, "--out", tmp_path / "out").code == 0
    page = tmp_path / "page.html"
    ended = remgcl("view", tmp_path / "out", "--out", page)
    assert "was not found; name its folder by --data, or the benchmark's --benchmark-set" in ended.out
    assert data_of(page)["images"] == []
    assert "warning" not in remgcl("view", tmp_path / "out", "--out", page, *given).out
    told = data_of(page)
    assert [width for _, width, _ in told["images"]] == [64] * 4
    assert [len(card["regions"]) for card in told["cards"]] == [1] * 4
