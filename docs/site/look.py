"""Look at every page of the built site in headless Chromium: `python docs/site/look.py build/site [PICTURES]`.

A page fails if its script raises, if something it needs is missing, or if a diagram or formula is not drawn. Pages are
served on the loopback address, and nothing else may be asked for.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from playwright.sync_api import Page, sync_playwright


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on the loopback address.

    Args:
        folder: The built site.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def faults(page: Page, address: str) -> list[str]:
    """Open a page, and return what is wrong with it.

    Args:
        page: A tab of the browser.
        address: The page's address.
    """
    found: list[str] = []
    host = address.split("/")[2]
    page.on("pageerror", lambda error: found.append(f"script: {error}"))
    page.on("requestfailed", lambda request: found.append(f"not loaded: {request.url}"))
    page.on("response", lambda answer: found.append(f"{answer.status}: {answer.url}") if not answer.ok else None)
    page.on("request", lambda request: found.append(f"other host: {request.url}") if host not in request.url else None)
    page.goto(address, wait_until="networkidle")
    page.wait_for_timeout(300)
    for what, selector in (("diagram", "pre.mermaid"), ("formula", ".arithmatex")):
        found += [f"{what} not drawn"] * page.locator(selector).count()
    if page.locator("article h1").count() != 1:
        found.append("has no single title")
    return found


def main(site: Path, pictures: Path | None) -> int:
    """Look at all pages; print what is wrong; return an exit code.

    Args:
        site: The built site.
        pictures: Where to put a picture of each page, if anywhere.
    """
    wrong = 0
    pages = sorted(path for path in site.rglob("*.html") if path.name != "404.html")
    with served(site) as root, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for path in pages:
            page = browser.new_page(viewport={"width": 1280, "height": 1600})
            found = faults(page, f"{root}/{path.relative_to(site).as_posix()}")
            if pictures:
                pictures.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=pictures / f"{path.stem}.png")
            page.close()
            wrong += len(found)
            print("\n".join(f"{path.name}: {fault}" for fault in found) or f"{path.name}: drawn")
        browser.close()
    print(f"{len(pages)} pages looked at, {wrong} faults")
    return int(bool(wrong) or not pages)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))  # noqa: PLR2004 - the second
