"""Images at addresses: within bounds, and never from a private address that nobody allowed."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from attrs import evolve

from remgcl import RequestError
from remgcl.core.inference.fetch import Fetcher, is_address

ALLOWED = Fetcher(private=["127.0.0.1"], seconds=20)


class Files(BaseHTTPRequestHandler):
    """A server of small files, redirects and endless bodies."""

    def do_GET(self) -> None:
        """Send what the path names."""
        if self.path.startswith("/to"):
            left = int(self.path.removeprefix("/to"))
            self.send_response(302)
            self.send_header("Location", f"/to{left - 1}" if left else "/file")
        elif self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest")
        elif self.path == "/missing":
            self.send_response(404)
        else:
            self.send_response(200)
        self.end_headers()
        if self.path.startswith("/file"):
            self.wfile.write(self.path.encode())
        try:
            for _ in range(2000 if self.path == "/slow" else 0):
                self.wfile.write(b"x")
                time.sleep(0.05)
            for _ in range(64 if self.path == "/large" else 0):
                self.wfile.write(bytes(1 << 16))
        except OSError:  # the client left
            pass

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of the library
        """Stay quiet."""
        del format, args


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a local server."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    httpd.daemon_threads = True
    Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    httpd.server_close()


def test_a_file_is_fetched_from_an_allowed_host(server: str) -> None:
    assert ALLOWED.fetch(f"{server}/file?a=1") == b"/file?a=1"


def test_redirects_are_followed_up_to_a_bound(server: str) -> None:
    assert ALLOWED.fetch(f"{server}/to2") == b"/file"
    with pytest.raises(RequestError, match="/to3: redirects more than 3 times"):
        ALLOWED.fetch(f"{server}/to3")


def test_a_redirect_is_held_to_the_same_rules(server: str) -> None:
    with pytest.raises(RequestError, match=r"http://169\.254\.169\.254/latest: must begin with https://"):
        ALLOWED.fetch(f"{server}/away")


def test_a_large_file_is_refused(server: str) -> None:
    with pytest.raises(RequestError, match="/large: is larger than 1048576 bytes"):
        evolve(ALLOWED, max_bytes=1 << 20).fetch(f"{server}/large")


def test_a_slow_file_is_refused(server: str) -> None:
    began = time.monotonic()
    with pytest.raises(RequestError, match="/slow: cannot be fetched; "):
        evolve(ALLOWED, seconds=1).fetch(f"{server}/slow")
    assert time.monotonic() - began < 30


def test_what_the_server_refuses_is_told(server: str) -> None:
    with pytest.raises(RequestError, match="/missing: cannot be fetched; the server says 404 Not Found"):
        ALLOWED.fetch(f"{server}/missing")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_private_addresses_are_refused(host: str) -> None:
    with pytest.raises(RequestError, match="has the private address"):
        Fetcher().fetch(f"https://{host}/a.png")


@pytest.mark.parametrize("url", ["http://127.0.0.1/a.png", "file:///etc/passwd", "ftp://example.org/a", "https:"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(RequestError, match=r"must begin with https://|cannot be fetched|private address"):
        Fetcher().fetch(url)


def test_only_listed_hosts_are_asked_where_there_is_a_list() -> None:
    with pytest.raises(RequestError, match=r"host 'example\.org' is not allowed; there is 'example\.com'"):
        Fetcher(hosts=["example.com"]).fetch("https://example.org/a.png")


def test_an_address_is_told_from_a_path() -> None:
    assert is_address("https://example.org/a.png")
    assert not is_address("picture.png")
    assert not is_address("data:image/png;base64,")
