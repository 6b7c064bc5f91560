"""An instance that is away, slow or something else is one clear line."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from email.message import Message

import pytest

from detection_api.web.client import Client, Reply, UnreachableError, read_url

OK = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
    b"X-Canary: legacy; reason=fallback; cause=error\r\n\r\n{}"
)


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], int]]:
    """Serves one connection with these bytes and then nothing; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []
    received: list[bytes] = []

    def answer(content: bytes) -> None:
        connection, _ = listener.accept()
        held.append(connection)
        received.append(connection.recv(65_536))
        connection.sendall(content)
        if not content.endswith(b"..."):
            connection.close()

    def begin(content: bytes) -> int:
        threads.append(threading.Thread(target=answer, args=(content,)))
        threads[-1].start()
        begin.received = received  # type: ignore[attr-defined]
        return int(listener.getsockname()[1])

    threads: list[threading.Thread] = []
    yield begin
    for thread in threads:
        thread.join()
    for connection in held:
        connection.close()
    listener.close()


def test_an_answer_says_who_gave_it_and_why(serve: Callable[[bytes], int]) -> None:
    reply = Client(f"http://127.0.0.1:{serve(OK)}").get("/x")
    assert (reply.status, reply.body) == (200, b"{}")
    assert reply.canary == {"arm": "legacy", "reason": "fallback", "cause": "error"}


def test_a_token_is_sent_as_a_header_and_a_path_below_a_prefix(
    serve: Callable[[bytes], int],
) -> None:
    port = serve(OK)
    Client(f"http://127.0.0.1:{port}/factory/", token="secret").get("/x?a=b")
    (sent,) = serve.received  # type: ignore[attr-defined]
    assert sent.startswith(b"GET /factory/x?a=b HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer secret\r\n" in sent


def test_an_answer_without_a_canary_has_none() -> None:
    assert "reason" not in Reply(200, Message(), b"").canary


def test_nobody_there_is_one_clear_line() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError, match=r"^no answer: Connection refused$"):
        Client(f"http://127.0.0.1:{port}").get("/")


def test_an_unknown_host_is_one_clear_line() -> None:
    with pytest.raises(UnreachableError, match=r"^no answer: \S.*$"):
        Client("http://nobody.invalid").get("/")


@pytest.mark.parametrize(
    "content",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n...", b"..."],
    ids=["in the body", "at once"],
)
def test_an_answer_that_does_not_come_is_given_up(
    serve: Callable[[bytes], int], content: bytes
) -> None:
    with pytest.raises(UnreachableError, match=r"^no answer within 0.1 s$"):
        Client(f"http://127.0.0.1:{serve(content)}", timeout=0.1).get("/")


@pytest.mark.parametrize(
    "content",
    [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"],
    ids=["closed", "another protocol", "torn"],
)
def test_what_is_no_answer_is_one_clear_line(serve: Callable[[bytes], int], content: bytes) -> None:
    with pytest.raises(UnreachableError, match=r"^no answer: \S[^\n]*$"):
        Client(f"http://127.0.0.1:{serve(content)}").get("/")


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "localhost:8000", "ftp://x", "http://", "http://x:0x1", "http://x:99999", "http://x:0",
     "http://ann:secret@x", "http://x?a=b", "http://x#a"],
)  # fmt: skip
def test_what_cannot_be_an_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|[Pp]ort"):
        read_url(text)


@pytest.mark.parametrize("text", ["http://x", "https://x:8443/api/", "http://[::1]:8000"])
def test_an_address_may_have_a_port_and_a_path(text: str) -> None:
    assert read_url(text).geturl() == text
