"""The gateway's own configuration in a real nginx: what it passes on, what it cuts off, and how it ends TLS.

Skipped where there is no nginx; `.ci/run` fetches Debian's.
"""

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import trustme

from switchboard_cli.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
NGINX = next(
    (
        one
        for one in (shutil.which("nginx"), "/usr/sbin/nginx", str(ROOT / ".tools/nginx/usr/sbin/nginx"))
        if one and Path(one).is_file()
    ),
    None,
)
NAME = "messages.switchboard.test"
SERVICE = """
    server {{
        listen 127.0.0.1:{port};
        location / {{
            default_type text/plain;
            return 200 "$http_x_forwarded_for $http_host $uri";
        }}
    }}
}}
"""
"""Stands in for every service, and says who asked for what."""

pytestmark = [
    pytest.mark.skipif(NGINX is None, reason="there is no nginx"),
    pytest.mark.timeout(120),
]


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where it answers."""

    port: int
    tls_port: int
    authority: trustme.CA

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def exchanged(text: str, old: str, new: str) -> str:
    """A place that must be there, for this machine."""
    assert old in text, old
    return text.replace(old, new)


def configured(directory: Path, gateway: Gateway, service_port: int) -> str:
    """deploy/gateway with addresses and folders of this test, and less patience."""
    certificate = gateway.authority.issue_cert(NAME)
    certificate.cert_chain_pems[0].write_to_path(directory / "certificate")
    certificate.private_key_pem.write_to_path(directory / "key")
    tls = (ROOT / "deploy/gateway/tls.conf").read_text("utf-8")
    tls = exchanged(tls, "listen 8443 ssl;", f"listen 127.0.0.1:{gateway.tls_port} ssl http2;")
    tls = exchanged(tls, "http2 on;", "")  # a name of later versions
    tls = exchanged(tls, "/run/secrets/tls_certificate;", f"{directory}/certificate;")
    tls = exchanged(tls, "/run/secrets/tls_key;", f"{directory}/key;")
    (directory / "tls.conf").write_text(tls, "utf-8")
    text = (ROOT / "deploy/gateway/nginx.conf").read_text("utf-8")
    text = exchanged(text, " /tmp/", f" {directory}/")
    text = exchanged(text, "client_header_timeout 15s;", "client_header_timeout 1s;")
    text = exchanged(text, "client_body_timeout 30s;", "client_body_timeout 1s;")
    text = exchanged(text, "listen 8080;", f"listen 127.0.0.1:{gateway.port};")
    text = exchanged(text, "/etc/nginx/switchboard/", f"{directory}/tls")
    text = exchanged(text, "http://$service:8000", f"http://127.0.0.1:{service_port}")
    return text.rstrip().removesuffix("}") + SERVICE.format(port=service_port)


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Gateway]:
    assert NGINX is not None
    gateway, service_port = Gateway(free_port(), free_port(), trustme.CA()), free_port()
    (tmp_path / "nginx.conf").write_text(configured(tmp_path, gateway, service_port), "utf-8")
    command = [NGINX, "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-g", "daemon off;"]
    log = tmp_path / "log"
    with log.open("wb") as errors, subprocess.Popen(command, stderr=errors) as process:  # noqa: S603 - the machine's nginx
        try:
            until_it_answers(gateway, process, log)
            yield gateway
        finally:
            process.terminate()


def until_it_answers(gateway: Gateway, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + 20
    while True:
        try:
            assert httpx.get(f"{gateway.url}/health/live").json() == {"status": "pass"}
        except httpx.TransportError:
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < ends
            time.sleep(0.01)
        else:
            return


def asked(gateway: Gateway, path: str, times: int) -> Counter[int]:
    """The statuses of so many requests, as fast as one address can ask."""
    each, at_once = 800, 8  # nginx closes a connection after a thousand
    counts = [min(each, times - start) for start in range(0, times, each)]

    def ask(count: int) -> list[bytes]:
        request = f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\n".encode()
        content = (request + b"\r\n") * (count - 1) + request + b"Connection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
            connection.sendall(content)
            return re.findall(rb"HTTP/1\.1 (\d{3}) ", b"".join(iter(lambda: connection.recv(1 << 20), b"")))

    with ThreadPoolExecutor(at_once) as pool:
        statuses = Counter(int(status) for found in pool.map(ask, counts) for status in found)
    assert statuses.total() == times
    return statuses


@pytest.mark.parametrize("path", ["/v1/messenger/login", "/console/sign-in"])
def test_one_address_asks_for_logins_two_hundred_times_and_then_slowly(gateway: Gateway, path: str) -> None:
    statuses = asked(gateway, path, 400)
    with httpx.Client() as http:  # one in 50 ms is answered again
        hasty = next(
            one for one in (http.get(gateway.url + path) for _ in range(400)) if one.status_code != HTTPStatus.OK
        )

    assert set(statuses) == {200, 429}
    assert 200 <= statuses[200] < 300
    assert hasty.status_code == 429
    assert hasty.headers["content-type"] == "application/problem+json"
    assert hasty.headers["retry-after"] == "5"
    assert hasty.json()["status"] == 429


def test_one_address_asks_for_anything_five_thousand_times_and_then_slowly(gateway: Gateway) -> None:
    statuses = asked(gateway, "/v1/inboxes", 16_000)

    assert set(statuses) == {200, 429}
    assert 5_000 <= statuses[200] < 15_000


def test_webhooks_come_in_bursts_and_none_is_refused(gateway: Gateway) -> None:
    assert asked(gateway, "/hooks/twilio/sms/made-up", 16_000) == {200: 16_000}


def test_a_service_is_told_who_asks_and_not_who_they_say_they_are(gateway: Gateway) -> None:
    answer = httpx.get(f"{gateway.url}/v1/inboxes", headers={"X-Forwarded-For": "203.0.113.7", "Host": NAME})

    assert answer.text == f"127.0.0.1 {NAME} /v1/inboxes"


@pytest.mark.parametrize(
    "path", ["/metrics", "/health/ready", "/docs", "/openapi.json", "/", "//metrics", "/v1/../metrics"]
)
def test_what_is_on_nobodys_list_is_not_passed_on(gateway: Gateway, path: str) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"application/problem+json" in answer
    assert b"nginx/" not in answer  # which version it is, is nobody's business


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"GET /v1/search HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /v1/search HTTP/1.1\r\n\r\n",
        b"GET /v1/search HTTP/1.1\r\nHost: a\r\nX-Large: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
    ids=["two lengths of a kind", "two lengths", "two hosts", "no host", "a header without end"],
)
def test_what_can_be_read_in_two_ways_is_refused(gateway: Gateway, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(request_)
        answer = connection.recv(1 << 16)

    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "dawdling",
    [
        b"GET /v1/inboxes HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nslow",
    ],
    ids=["headers", "a body"],
)
def test_who_dawdles_is_cut(gateway: Gateway, dawdling: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(dawdling)

        assert connection.recv(1 << 16) == b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_of_today_is_spoken_and_the_browser_is_told_to_stay_with_it(
    gateway: Gateway, version: ssl.TLSVersion
) -> None:
    context = ssl.create_default_context()
    gateway.authority.configure_trust(context)
    context.minimum_version = context.maximum_version = version
    plain = socket.create_connection(("127.0.0.1", gateway.tls_port), timeout=20)
    with context.wrap_socket(plain, server_hostname=NAME) as connection:
        connection.sendall(f"GET /v1/inboxes HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Strict-Transport-Security: max-age=31536000" in answer


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_tls_of_yesterday_is_refused(gateway: Gateway, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context()
    gateway.authority.configure_trust(context)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    plain = socket.create_connection(("127.0.0.1", gateway.tls_port), timeout=20)
    with plain, pytest.raises(ssl.SSLError, match=r"(?i)protocol version"):
        context.wrap_socket(plain, server_hostname=NAME)
