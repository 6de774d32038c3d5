"""docs/operate.md, followed to the letter: tokens, and proxies with TLS."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import self_signed
from tests.e2e.documents import Document, Shell, needs, place_of
from volition.service.gateway.launch import running_service

SERVED = "volition serve --root-path /bci --allow-host lab.example"
TOKENS = (
    "volition token make --role admin --name me",
    "volition token make --role read --name screen",
)
THROUGH_PROXY = (
    r"curl -s -o /dev/null -w '%{http_code}\n' https://lab.example/bci/v1/sessions",
    'curl -s -H "Authorization: Bearer $TOKEN" https://lab.example/bci/v1/sessions',
    "curl -s https://lab.example/bci/ | head -1",
)

#: What has a test of its own, and what starts the machine's own service manager.
WITH_THE_MACHINE = (
    "volition service install --settings serve.yaml",
    "systemctl --user daemon-reload && systemctl --user enable --now volition",
)


@pytest.fixture(scope="module")
def operate(repository: Path) -> Document:
    return Document(repository / "docs" / "operate.md")


def test_every_line_of_the_page_on_operation_is_run(operate: Document) -> None:
    assert set(operate.lines()) == {SERVED, *TOKENS, *THROUGH_PROXY, *WITH_THE_MACHINE}


class Guarded:
    """A service below /bci that asks for tokens, made with the page's own lines."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.place = folder, place_of(url)
        made = Shell(folder, {"volition token": f"VOLITION_DATA={folder} volition token"})
        self.secrets = [secret_in(made.run(line)) for line in TOKENS]

    def ask(self, port: int) -> list[str]:
        """Run the lines that try a proxy, which listens on this port of this machine."""
        host = f"lab.example:{port}"
        instead = {
            "curl -s": f"curl -s --insecure --resolve {host}:127.0.0.1",
            "https://lab.example": f"https://{host}",
            "$TOKEN": self.secrets[0],
        }
        return [Shell(self.folder, instead).run(line).strip() for line in THROUGH_PROXY]


def secret_in(said: str) -> str:
    found = re.search(r"\bvol_\w[\w-]+", said)
    assert found is not None, said
    return found[0]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(scope="module")
def guarded(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    if not (repository / "service" / "web" / "dist" / "index.html").is_file():
        pytest.skip("needs the pages: a proxy is asked for one")
    folder = tmp_path_factory.mktemp("guarded")
    tokens = folder / "tokens.json"
    options = SERVED.removeprefix("volition serve ").split()
    with running_service(
        *options, "--tokens", str(tokens), env={"VOLITION_DATA": str(folder)}
    ) as service:
        yield Guarded(folder, service.url)


@contextlib.contextmanager
def proxy(command: list[str], port: int, log: Path, **environment: str) -> Iterator[None]:
    """Run a proxy until the block ends, which begins once it listens."""
    with log.open("w") as said:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=said, stderr=said
        )
        try:
            deadline = time.monotonic() + 120
            while not listens(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def check_answers(answers: list[str]) -> None:
    refused, sessions, page = answers
    assert refused == "401"
    assert json.loads(sessions) == {"sessions": []}
    assert page.lower() == "<!doctype html>"


def replaced(text: str, instead: dict[str, Any]) -> str:
    for named, found in instead.items():
        assert named in text
        text = text.replace(named, str(found))
    return text


@pytest.mark.slow
def test_behind_nginx_with_tls_the_page_on_operation_holds(
    operate: Document, guarded: Guarded, free_port: int
) -> None:
    needs("nginx", "openssl", "curl")
    port, folder = free_port, guarded.folder
    certificate, key = self_signed(folder, "lab.example")
    (server,) = operate.blocks("nginx")
    server = replaced(
        server,
        {
            "listen 443": f"listen 127.0.0.1:{port}",
            "/etc/ssl/lab.example.pem": certificate,
            "/etc/ssl/lab.example.key": key,
            "127.0.0.1:8765": guarded.place,
        },
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in kinds)
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off;\nmaster_process off;\npid {folder / 'nginx.pid'};\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
    )
    with proxy(["nginx", "-p", str(folder), "-c", str(file)], port, folder / "nginx.log"):
        check_answers(guarded.ask(port))


@pytest.mark.slow
def test_behind_caddy_the_page_on_operation_holds(
    operate: Document, guarded: Guarded, free_port: int
) -> None:
    needs("caddy", "curl")
    port, folder = free_port, guarded.folder
    (site,) = operate.blocks("caddy")
    # A certificate of its own in the place of one that would be fetched.
    options = (
        f"{{\nadmin off\nlocal_certs\nskip_install_trust\nauto_https disable_redirects\n"
        f"https_port {port}\ndefault_bind 127.0.0.1\n}}\n"
    )
    file = folder / "Caddyfile"
    file.write_text(options + replaced(site, {"127.0.0.1:8765": guarded.place}))
    command = ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with proxy(command, port, folder / "caddy.log", **home):
        check_answers(guarded.ask(port))
