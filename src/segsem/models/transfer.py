"""One file by HTTP into a part, going on where an earlier attempt ended; every failure named."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

import requests

from segsem.core.exceptions import ModelError, UsageError
from segsem.core.progress import Progress
from segsem.models.part_file import PartFile, Validators, megabytes, require_space

CHUNK_BYTES = 1 << 17
"""What is lost at most when a connection breaks."""

CONNECT_S, SILENCE_S = 10.0, 30.0
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class UnreachableError(ModelError):
    """The file cannot be had from there: another server, or another way, may help."""


def check_url(url: str) -> None:
    """Refuse what is no address of the web.

    Raises
    ------
    UsageError
        If it is not.
    """
    try:
        sound = urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        sound = False
    if not sound:
        msg = (
            f"Expected an http:// or https:// address, but got {url!r}. "
            "For a file that is here already: segsem models add FILE --config CFG"
        )
        raise UsageError(msg)


def transfer(url: str, file: PartFile, label: str) -> Generator[Progress, None, None]:
    """Bring what `url` holds into a part.

    Proxies and certificates are those of the usual environment variables (`HTTPS_PROXY`,
    `NO_PROXY`, `REQUESTS_CA_BUNDLE`).

    Parameters
    ----------
    url : str
    file : PartFile
        Whole when the generator ends; kept where it stands when it is closed or fails.
    label : str
        What is downloaded, for the messages.

    Yields
    ------
    Progress
        In bytes.

    Raises
    ------
    ModelError
        If it cannot be had; the message says what to do.
    """
    # A server that does not go on from where the part ends is asked once more, for the whole.
    for _ in range(2):
        if file.is_whole:
            return
        # Another process may lengthen the part while the server thinks.
        asked_bytes = file.size_bytes
        with requests.Session() as session, _ask(session, url, file, asked_bytes) as response:
            answer = _answer(response, url, file, asked_bytes)
            if answer is not None:
                yield from _receive(response, file, *answer, label)
                return
        if not file.is_whole:
            file.start_again()
    if not file.is_whole:
        msg = f"{shown(url)} answers with other bytes than those asked for. {_ELSEWHERE}"
        raise UnreachableError(msg)


def shown(url: str) -> str:
    """Write an address without the user and password that it may hold."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


_ELSEWHERE = "Choose another server with --from URL."


def _ask(
    session: requests.Session, url: str, file: PartFile, asked_bytes: int
) -> requests.Response:
    headers = {"Accept-Encoding": "identity"}
    if asked_bytes:
        headers["Range"] = f"bytes={asked_bytes}-"
        # What another server calls this version means nothing to this one.
        if file.validators.url == shown(url) and file.validators.for_if_range:
            headers["If-Range"] = file.validators.for_if_range
    with _unreachable(url):
        return session.get(url, headers=headers, stream=True, timeout=(CONNECT_S, SILENCE_S))


def _answer(
    response: requests.Response, url: str, file: PartFile, asked_bytes: int
) -> tuple[int, Validators] | None:
    """Place of the answer's first byte, and of which file; None: the whole must be asked for."""
    if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and asked_bytes:
        _, total_bytes = _content_range(response)
        if total_bytes == asked_bytes:
            file.describe(Validators(shown(url), total_bytes=total_bytes))
        return None
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        start_bytes, total_bytes = _content_range(response)
        here = _validators(response, url, total_bytes)
        fits = start_bytes == asked_bytes and not file.validators.contradicts(here)
        return (start_bytes, here) if fits else None
    _refuse_failures(response, url)
    length = response.headers.get("Content-Length", "")
    encoded = "Content-Encoding" in response.headers
    here = _validators(response, url, int(length) if length.isdigit() and not encoded else 0)
    same_size = file.size_bytes <= here.total_bytes == file.validators.total_bytes
    if asked_bytes and (not same_size or file.validators.contradicts(here)):
        file.start_again()
    return 0, here


def _receive(
    response: requests.Response, file: PartFile, offset_bytes: int, here: Validators, label: str
) -> Generator[Progress, None, None]:
    total_bytes = here.total_bytes
    # The whole file, and then its converted copy of the same size.
    if total_bytes:
        require_space(file.path.parent, 2 * total_bytes - file.size_bytes, label)
    file.describe(here)
    words = f"{label}: downloading"
    if offset_bytes:
        words += f", from {megabytes(offset_bytes)} on"
    yield Progress(offset_bytes, total_bytes, words)
    try:
        for chunk in response.iter_content(CHUNK_BYTES):
            file.write(offset_bytes, chunk)
            offset_bytes += len(chunk)
            yield Progress(offset_bytes, total_bytes, words)
    except requests.exceptions.RequestException as error:
        raise _broken(response.url, file) from error
    if total_bytes and offset_bytes != total_bytes:
        raise _broken(response.url, file)


def _refuse_failures(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status == HTTPStatus.NOT_FOUND:
        msg = f"There is no such file (404): {shown(url)}. {_ELSEWHERE}"
        raise UnreachableError(msg)
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        msg = "The proxy wants a user and a password (407): HTTPS_PROXY=http://USER:PASSWORD@HOST"
        raise UnreachableError(msg)
    if status != HTTPStatus.OK:
        reason = f"{status} {response.reason or ''}".strip()
        msg = f"{shown(url)} answered {reason}. Try again later. {_ELSEWHERE}"
        raise UnreachableError(msg)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        msg = (
            f"{shown(url)} answered with a web page instead of weights: a login page, or a proxy's "
            f"notice. Open it in a browser. {_ELSEWHERE}"
        )
        raise UnreachableError(msg)


def _validators(response: requests.Response, url: str, total_bytes: int) -> Validators:
    headers = response.headers
    return Validators(
        shown(url), headers.get("ETag", ""), headers.get("Last-Modified", ""), total_bytes
    )


def _content_range(response: requests.Response) -> tuple[int, int]:
    """First byte (-1 where not told) and size of the whole (0 where not told)."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if match is None:
        return -1, 0
    start, total = match.groups()
    return int(start) if start else -1, int(total) if total != "*" else 0


@contextmanager
def _unreachable(url: str) -> Iterator[None]:
    host = _host(url)
    try:
        yield
    except requests.exceptions.ProxyError as error:
        msg = f"The proxy does not lead to {host}: check HTTPS_PROXY, HTTP_PROXY and NO_PROXY."
        raise UnreachableError(msg) from error
    except requests.exceptions.SSLError as error:
        msg = (
            f"No trusted connection to {host}: it speaks no https, or its certificate is unknown "
            "here. Behind a company's proxy, set REQUESTS_CA_BUNDLE to the company's certificates."
        )
        raise UnreachableError(msg) from error
    except requests.exceptions.ReadTimeout as error:
        raise UnreachableError(f"{host} does not answer. {_ELSEWHERE}") from error
    # A host's name that cannot be one is a ValueError of urllib3.
    except (requests.exceptions.RequestException, ValueError) as error:
        msg = f"Cannot reach {host}: it is down, there is no network, or HTTPS_PROXY must be set."
        raise UnreachableError(msg) from error


def _broken(url: str, file: PartFile) -> ModelError:
    total_bytes = file.validators.total_bytes
    of = f" of {megabytes(total_bytes)}" if total_bytes else ""
    return ModelError(
        f"The connection to {_host(url)} broke: {megabytes(file.size_bytes)}{of} are here "
        f"({file.path}). The same command goes on from there."
    )


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
