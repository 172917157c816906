"""Images at addresses that a person typed: bounded in bytes, time and redirects, never a private address.

The address that is verified is the address that is connected to, so a name
cannot resolve to another one in between.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Timer
from time import monotonic
from urllib.parse import SplitResult, urljoin, urlsplit

from attrs import field, frozen

from remgcl.core.errors import RequestError, listed

REDIRECTS = (301, 302, 303, 307, 308)
OK = 200


@frozen(kw_only=True)
class Fetcher:
    """Fetches files from addresses.

    Attributes:
        hosts: Allowed hosts; by default all.
        private: Hosts that are allowed although their address is private or local, and over plain HTTP.
        max_bytes: Largest file.
        seconds: Longest time for all of it, redirects included.
        redirects: Most redirects.
    """

    hosts: Collection[str] | None = None
    private: Collection[str] = field(default=())
    max_bytes: int = 32 << 20
    seconds: float = 20.0
    redirects: int = 3

    def fetch(self, url: str) -> bytes:
        """Fetch a file.

        Args:
            url: Its address, ``https://...``.

        Raises:
            RequestError: The address is not allowed, or cannot be read within the bounds.
        """
        deadline = monotonic() + self.seconds
        at = url
        for _ in range(self.redirects + 1):
            try:
                found = self._ask(at, deadline)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise RequestError(f"{at}: cannot be fetched; {str(error) or type(error).__name__}") from None
            if isinstance(found, bytes):
                return found
            at = urljoin(at, found)
        raise RequestError(f"{url}: redirects more than {self.redirects} times")

    def _ask(self, url: str, deadline: float) -> bytes | str:
        """Send one request: the file, or where it is redirected to."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        trusted = host in self.private
        if parts.scheme != "https" and not (trusted and parts.scheme == "http"):
            raise RequestError(f"{url}: must begin with https://")
        if self.hosts is not None and host not in self.hosts:
            raise RequestError(f"{url}: host {host!r} is not allowed; there is {listed(sorted(self.hosts))}")
        with closing(self._connect(parts, trusted, deadline)) as connection, _ended(connection.sock, deadline):
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", target, headers={"User-Agent": "remgcl", "Accept": "image/*"})
            answer = connection.getresponse()
            place = answer.getheader("Location")
            if answer.status in REDIRECTS and place:
                return place
            if answer.status != OK:
                raise RequestError(f"{url}: cannot be fetched; the server says {answer.status} {answer.reason}")
            held = answer.read(self.max_bytes + 1)
        if len(held) > self.max_bytes:
            raise RequestError(f"{url}: is larger than {self.max_bytes} bytes")
        return held

    def _connect(self, parts: SplitResult, trusted: bool, deadline: float) -> http.client.HTTPConnection:  # noqa: FBT001 - private
        """Connect to a verified address of a host."""
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(each[4][0]) for each in found]
        hidden = [address for address in addresses if not ipaddress.ip_address(address.partition("%")[0]).is_global]
        if hidden and not trusted:
            raise RequestError(
                f"{parts.geturl()}: host {host!r} has the private address {hidden[0]}; it is not fetched"
            )
        connection = http.client.HTTPConnection(host, port)
        plain = socket.create_connection((addresses[0], port), timeout=_left(deadline))
        connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host) if secure else plain
        return connection


@contextmanager
def _ended(connected: socket.socket, deadline: float) -> Iterator[None]:
    """End a connection at a deadline, however slowly the other side sends.

    Raises:
        TimeoutError: The deadline has passed.
    """
    timer = Timer(_left(deadline), _shut, [connected])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    _left(deadline)


def _shut(connected: socket.socket) -> None:
    with suppress(OSError):  # it is closed already
        connected.shutdown(socket.SHUT_RDWR)


def _left(deadline: float) -> float:
    """Return the seconds that are left."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("it takes too long")
    return left


def is_address(source: object) -> bool:
    """Return whether an image is named by an address.

    Args:
        source: What a person typed.
    """
    return isinstance(source, str) and source.startswith(("http://", "https://"))
