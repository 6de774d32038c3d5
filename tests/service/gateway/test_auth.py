"""Tokens, their file, tickets, and what an authority makes of them."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from volition.errors import ConfigError
from volition.service.cli import app as cli
from volition.service.gateway.auth import (
    ANYONE,
    TICKET_S,
    TOKEN_ROLES,
    Authority,
    Caller,
    Role,
    Token,
    TokenFile,
    TokenFileError,
    UnauthorizedError,
    _Tickets,
    default_token_path,
)
from volition.service.gateway.bind_address import bind


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "deep" / "tokens.json")


def test_a_token_speaks_for_its_role_and_the_file_never_holds_it(file: TokenFile) -> None:
    made = {role: file.make(f"{role}er", role) for role in TOKEN_ROLES.values()}
    authority = Authority(file.path)
    for role, secret in made.items():
        caller = authority.caller(f"Bearer {secret}")
        assert (caller.name, caller.role) == (f"{role}er", role)
        assert secret not in file.path.read_text()
        assert secret.split("_", 2)[2] not in file.path.read_text()
    assert len({token.salt for token in file.read()}) == len(made)


def test_a_token_has_256_random_bits_and_one_that_nobody_has_is_compared_all_the_same(
    file: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {file.make(f"n{number}", Role.READ).split("_", 2)[2] for number in range(20)}
    assert len(secrets) == 20
    assert all(len(base64.urlsafe_b64decode(secret + "=")) == 32 for secret in secrets)
    authority, compared = Authority(file.path), []

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    with pytest.raises(UnauthorizedError):
        authority.caller("Bearer vol_000000000000_" + "x" * 43)
    assert len(compared) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: modes of files are its")
def test_the_file_is_its_owners_alone(file: TokenFile) -> None:
    file.make("a", Role.READ)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.path.chmod(0o620)
    with pytest.raises(TokenFileError, match="others may write"):
        Authority(file.path)


def test_a_token_works_until_it_is_revoked_in_a_service_that_runs(file: TokenFile) -> None:
    authority = Authority(file.path)
    assert authority.caller(None) is ANYONE
    secret = file.make("lab", Role.CONTROL)
    caller = authority.caller(f"bearer {secret}")
    ticket = authority.issue_ticket(caller)
    assert authority.still_holds(caller)
    file.revoke("lab")
    with pytest.raises(UnauthorizedError):
        authority.redeem_ticket(ticket)
    assert not authority.still_holds(caller)
    with pytest.raises(UnauthorizedError):
        authority.caller(f"Bearer {secret}")
    # Revoking the last one opens nothing.
    with pytest.raises(UnauthorizedError):
        authority.caller(None)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "\0",
        '{"tokens": 1}',
        '{"tokens": [{"id": "x"}]}',
        '{"tokens": [{"id":"x","name":"x", "role": "king", "salt":"","digest":"","made_utc":0}]}',
        "[" * 100_000,
    ],
)
def test_a_broken_file_lets_nobody_in_and_is_a_clear_error(file: TokenFile, content: str) -> None:
    secret = file.make("lab", Role.ADMIN)
    authority = Authority(file.path)
    authority.caller(f"Bearer {secret}")
    file.path.write_text(content)
    with pytest.raises(UnauthorizedError):
        authority.caller(f"Bearer {secret}")
    with pytest.raises(UnauthorizedError):
        authority.caller(None)
    with pytest.raises(TokenFileError, match="is not a file of tokens"):
        Authority(file.path)


def test_a_name_is_taken_once_and_a_stranger_cannot_be_revoked(file: TokenFile) -> None:
    file.make("lab", Role.READ)
    with pytest.raises(TokenFileError, match="there is a token lab already"):
        file.make("lab", Role.READ)
    with pytest.raises(TokenFileError, match="there are: lab"):
        file.revoke("kitchen")
    with pytest.raises(TokenFileError, match="1 to 64 letters"):
        file.make("../lab", Role.READ)
    assert [path.name for path in file.path.parent.iterdir()] == ["tokens.json"]


def test_tokens_made_at_once_are_all_kept(file: TokenFile) -> None:
    def make(n: int) -> None:
        file.make(f"n{n}", Role.READ)

    threads = [threading.Thread(target=make, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {token.name for token in file.read()} == {f"n{n}" for n in range(8)}


def test_a_token_from_the_environment_is_an_admin_and_no_short_one_will_do() -> None:
    given_ = "x" * 32
    authority = Authority(given=given_)
    assert authority.caller(f"Bearer {given_}").role is Role.ADMIN
    assert authority.still_holds(authority.caller(f"Bearer {given_}"))
    with pytest.raises(UnauthorizedError):
        authority.caller(None)
    with pytest.raises(ConfigError, match="at least 32 characters, found 5"):
        Authority(given="short")


KNOWN = Token.of("vol_0123456789ab_secret", id="0123456789ab", name="known", role=Role.READ)


@given(secret=st.text() | st.just("vol_0123456789ab_") | st.from_regex(r"vol_[a-z_]*"))
def test_no_other_text_is_a_token(secret: str) -> None:
    authority = Authority(required=True)
    authority._tokens[KNOWN.id] = KNOWN
    with pytest.raises(UnauthorizedError):
        authority.caller(f"Bearer {secret}")


@given(authorization=st.text())
def test_no_header_passes_or_breaks_an_authority_without_tokens(authorization: str) -> None:
    with pytest.raises(UnauthorizedError):
        Authority(required=True).caller(authorization)


def test_a_ticket_opens_once_and_not_for_long() -> None:
    now = [0.0]
    tickets = _Tickets(lambda: now[0])
    caller = Caller("a page", Role.READ)
    first, second, third = (tickets.issue(caller) for _ in range(3))
    assert tickets.redeem(first) is caller
    assert tickets.redeem(first) is None
    now[0] = TICKET_S - 0.001
    assert tickets.redeem(second) is caller
    now[0] = TICKET_S
    assert tickets.redeem(third) is None
    assert tickets.redeem("guessed") is None


def test_tickets_that_nobody_uses_do_not_pile_up() -> None:
    now = [0.0]
    tickets = _Tickets(lambda: now[0])
    newest = ""
    for _ in range(10_500):
        newest = tickets.issue(ANYONE)
    assert len(tickets._open) == 10_000
    assert tickets.redeem(newest) is ANYONE
    now[0] = TICKET_S + 1
    tickets.issue(ANYONE)
    assert len(tickets._open) == 1


def test_no_address_beyond_loopback_is_listened_on_without_a_token() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(ConfigError, match="without a token"):
            bind(host, 0)
    bind("0.0.0.0", 0, has_tokens=True).close()
    bind("localhost", 0).close()


def test_the_commands_make_list_and_revoke(tmp_path: Path) -> None:
    runner = CliRunner()
    path = str(tmp_path / "tokens.json")

    def run(*arguments: str) -> str:
        result = runner.invoke(cli(), ["token", *arguments, "--tokens", path, "--json"])
        assert result.exit_code == 0, result.output
        return result.stdout

    made = json.loads(run("make", "--role", "control", "--name", "lab"))
    assert Authority(Path(path)).caller(f"Bearer {made['token']}").role is Role.CONTROL
    listed = run("list")
    assert [t["name"] for t in json.loads(listed)["tokens"]] == ["lab"]
    assert made["token"] not in listed
    assert json.loads(run("revoke", "lab"))["revoked"]
    assert json.loads(run("list")) == {"tokens": []}


def test_the_file_is_where_the_environment_says_or_in_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VOLITION_TOKENS", str(tmp_path / "t.json"))
    assert default_token_path() == tmp_path / "t.json"
    monkeypatch.delenv("VOLITION_TOKENS")
    with contextlib.suppress(KeyError):
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_token_path().parts[-2].lower() == "volition"
    assert default_token_path().is_absolute()


def test_a_token_that_cannot_be_read_shuts_out_no_other(file: TokenFile) -> None:
    secret = file.make("lab", Role.ADMIN)
    content = json.loads(file.path.read_text())
    newer = {**content["tokens"][0], "id": "newer", "name": "later", "colour": "red"}
    content["tokens"] += [{"id": "cut"}, 5, newer]
    file.path.write_text(json.dumps(content))
    authority = Authority(file.path)
    assert authority.caller(f"Bearer {secret}").name == "lab"
    assert [token.name for token in file.read()] == ["lab", "later"]
