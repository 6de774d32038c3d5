"""Who may do what: roles, tokens and one-use tickets.

A route declares the least role that may call it (`allow`); `volition.service.gateway.guard` holds
every request to that, and refuses what declares nothing. A token is ``vol_<id>_<secret>`` with 256
random bits. The file keeps a salted SHA-256 of it: a secret that nobody can guess gains nothing
from a slow hash, and every request pays for one. Digests are compared in constant time.

A running service sees a token that is made or revoked at its next request. Once it has known a
token it asks for one until it ends, so that revoking the last one opens nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

import structlog

from volition.errors import ConfigError, VolitionError
from volition.service.sessions.folders import data_folder

log = structlog.get_logger()

TICKET_S = 30.0
_MAX_TICKETS = 10_000
_LOCK_S = 5.0
_LOOK_EVERY_S = 0.1
_MIN_GIVEN_CHARS = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_DECLARED = "volition_role"
_UPLOADS = "volition_uploads"
_STOPS = "volition_stops"

T = TypeVar("T")


class Role(IntEnum):
    """What a caller may do; each includes those below it."""

    OPEN = 0
    READ = 1
    CONTROL = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


TOKEN_ROLES = {str(role): role for role in Role if role is not Role.OPEN}


class UnauthorizedError(VolitionError):
    """No token, or one that is not valid."""

    code = "unauthorized"


class ForbiddenError(VolitionError):
    """The caller's role does not reach so far."""

    code = "forbidden"


class TokenFileError(ConfigError):
    """The file of tokens cannot be read or written, or says no to what was asked."""


def allow(role: Role, *, uploads: bool = False, stops: bool = False) -> Callable[[T], T]:
    """Declare the least role that may call an endpoint (or a mounted application).

    Parameters
    ----------
    role
        The role.
    uploads
        Whether a body may be as large as a file.
    stops
        Whether it is an emergency stop, which no limit of a rate refuses.
    """

    def declare(endpoint: T) -> T:
        setattr(endpoint, _DECLARED, role)
        setattr(endpoint, _STOPS, stops)
        setattr(endpoint, _UPLOADS, uploads)
        return endpoint

    return declare


def declared_role(route: object) -> Role | None:
    """Give the role that a route's endpoint declares; None when it declares nothing."""
    endpoint = getattr(route, "endpoint", None) or getattr(route, "app", None)
    role = getattr(endpoint, _DECLARED, None)
    return role if isinstance(role, Role) else None


def takes_uploads(route: object) -> bool:
    """Say whether a route's endpoint declares that it takes files."""
    return bool(getattr(getattr(route, "endpoint", None), _UPLOADS, False))


def is_stop(route: object) -> bool:
    """Say whether a route's endpoint declares that it is an emergency stop."""
    return bool(getattr(getattr(route, "endpoint", None), _STOPS, False))


@dataclass(frozen=True)
class Token:
    """What is kept of a token."""

    id: str
    name: str
    role: str
    salt: str
    digest: str
    made_utc: float

    @classmethod
    def of(cls, secret: str, *, id: str, name: str, role: Role) -> Token:
        """Keep a secret's hash."""
        salt = secrets.token_hex(16)
        return cls(id, name, str(role), salt, _digest(salt, secret), time.time())

    def matches(self, secret: str) -> bool:
        return hmac.compare_digest(self.digest, _digest(self.salt, secret))


def _digest(salt: str, secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + secret.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class Caller:
    """Who a request came from."""

    name: str
    role: Role
    token_id: str | None = None


#: Whoever reaches a service that needs no token.
ANYONE = Caller("anyone", Role.ADMIN)


def default_token_path() -> Path:
    """Give the file of tokens: ``VOLITION_TOKENS``, or one among the user's data."""
    named = os.environ.get("VOLITION_TOKENS")
    return Path(named) if named else data_folder() / "tokens.json"


class TokenFile:
    """The tokens that were made, as one JSON file that only its owner may write.

    Parameters
    ----------
    path
        The file; one that is missing or empty holds no tokens.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Token]:
        """Give the tokens.

        Raises
        ------
        TokenFileError
            It is not a file of tokens, or others may write it.
        """
        try:
            with self.path.open(encoding="utf-8") as file:
                status = os.fstat(file.fileno())
                text = file.read()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise TokenFileError(f"cannot read the tokens in {self.path}: {error}") from None
        if not text:
            return []
        if os.name == "posix" and status.st_mode & 0o022:
            raise TokenFileError(
                f"others may write {self.path}; only its owner may (chmod 600 mends it)"
            )
        try:
            entries = list(json.loads(text)["tokens"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise TokenFileError(
                f"{self.path} is not a file of tokens: {type(error).__name__}"
            ) from None
        tokens = [token for entry in entries if (token := self._token_of(entry)) is not None]
        if entries and not tokens:  # as if there were none, it would open the service to all
            raise TokenFileError(f"{self.path} is not a file of tokens: none of them can be read")
        return tokens

    def _token_of(self, entry: Any) -> Token | None:
        """Read one token; one that cannot be read opens nothing, and shuts out no other."""
        try:
            token = Token(**{key: entry[key] for key in Token.__dataclass_fields__})
            _ = TOKEN_ROLES[token.role], bytes.fromhex(token.salt), bytes.fromhex(token.digest)
        except (ValueError, TypeError, KeyError) as error:
            log.error("a token cannot be read", file=str(self.path), reason=type(error).__name__)
            return None
        return token

    def make(self, name: str, role: Role) -> str:
        """Make a token and keep its hash; give the token, which cannot be shown again.

        Raises
        ------
        TokenFileError
            The name is taken or not a name, or the file cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise TokenFileError(
                f"a token's name is 1 to 64 letters, digits, '_', '.', '-', found {name!r}"
            )
        with self._locked():
            tokens = self.read()
            if any(token.name == name for token in tokens):
                raise TokenFileError(f"there is a token {name} already; revoke it first")
            id_ = secrets.token_hex(6)
            secret = f"vol_{id_}_{secrets.token_urlsafe(32)}"
            self._write([*tokens, Token.of(secret, id=id_, name=name, role=role)])
        return secret

    def revoke(self, name: str) -> Token:
        """Forget a token, so that it opens nothing any more.

        Raises
        ------
        TokenFileError
            There is none of that name, or the file cannot be written.
        """
        with self._locked():
            tokens = self.read()
            revoked = [token for token in tokens if token.name == name]
            if not revoked:
                known = ", ".join(token.name for token in tokens) or "none"
                raise TokenFileError(f"there is no token {name}; there are: {known}")
            self._write([token for token in tokens if token.name != name])
        return revoked[0]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time change the file: a lost revocation would be a hole."""
        lock = self.path.with_name(self.path.name + ".lock")
        deadline = time.monotonic() + _LOCK_S
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            while True:
                try:
                    os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                    break
                except FileExistsError:
                    if time.monotonic() > deadline:
                        raise TokenFileError(
                            f"another process changes the tokens; if none does, remove {lock}"
                        ) from None
                    time.sleep(0.01)
        except OSError as error:
            raise TokenFileError(f"cannot write the tokens to {self.path}: {error}") from None
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)

    def _write(self, tokens: list[Token]) -> None:
        """Put a new file in the old one's place, whole or not at all."""
        fresh = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        text = json.dumps({"version": 1, "tokens": [asdict(token) for token in tokens]}, indent=1)
        try:
            handle = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise TokenFileError(f"cannot write the tokens to {self.path}: {error}") from None


class Authority:
    """Says who a request comes from.

    Parameters
    ----------
    path
        The file of tokens; None for none.
    given
        A further token of role admin, as a container gets it from its environment.
    required
        Whether a token is asked for even when there is none (then nothing is let in).

    Raises
    ------
    ConfigError
        The file is wrong, or ``given`` is too short to be a secret.
    """

    def __init__(
        self, path: Path | None = None, *, given: str | None = None, required: bool = False
    ) -> None:
        self._file = TokenFile(path) if path is not None else None
        self._given: Token | None = None
        if given is not None:
            if len(given) < _MIN_GIVEN_CHARS:
                raise ConfigError(
                    f"a token given as VOLITION_TOKEN has at least {_MIN_GIVEN_CHARS} characters, "
                    f"found {len(given)}"
                )
            self._given = Token.of(given, id="given", name="VOLITION_TOKEN", role=Role.ADMIN)
        self._tokens = {token.id: token for token in self._file.read()} if self._file else {}
        self._seen = self._stamp()
        self._looked = 0.0
        self._nobody = Token.of(secrets.token_hex(), id="", name="", role=Role.READ)
        self._required = required
        self._tickets = _Tickets()

    @property
    def required(self) -> bool:
        """Whether a token is asked for."""
        self._refresh()
        self._required = self._required or self.has_tokens
        return self._required

    @property
    def has_tokens(self) -> bool:
        """Whether there is a token that opens anything."""
        return bool(self._tokens) or self._given is not None

    def caller(self, authorization: str | None, *, from_elsewhere: bool = False) -> Caller:
        """Give who an ``Authorization`` header speaks for; raise `UnauthorizedError` for nobody.

        One that comes ``from_elsewhere`` needs a token even where this machine needs none.
        """
        if not (self.required or from_elsewhere):
            return ANYONE
        if authorization is None:
            raise UnauthorizedError(
                "a token is needed: Authorization: Bearer TOKEN ('volition token make' makes one)"
            )
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthorizedError("the Authorization header must be: Bearer TOKEN")
        token = self._find(secret.strip())
        if token is None:
            raise UnauthorizedError("the token is not valid, or no longer", presented=True)
        return Caller(token.name, TOKEN_ROLES[token.role], token.id)

    def still_holds(self, caller: Caller, *, look: bool = False) -> bool:
        """Whether the token of a caller who was let in is still there (or was, just now).

        With ``look`` the file is looked at in any case: what the caller asks for is yet to be done.
        """
        if caller.token_id is None:
            return True
        if (
            look or time.monotonic() - self._looked > _LOOK_EVERY_S
        ):  # every message of a socket asks
            self._refresh()
        return caller.token_id in self._tokens or self._is_given(caller)

    def _is_given(self, caller: Caller) -> bool:
        return self._given is not None and caller.token_id == self._given.id

    def issue_ticket(self, caller: Caller) -> str:
        """Make a ticket that opens one socket as this caller, soon."""
        return self._tickets.issue(caller)

    def redeem_ticket(self, ticket: str) -> Caller:
        """Use a ticket up; raise `UnauthorizedError` when it opens nothing."""
        self._refresh()
        caller = self._tickets.redeem(ticket)
        if caller is None or not self.still_holds(caller):
            raise UnauthorizedError("the ticket is not valid, or used up, or too old")
        return caller

    def _find(self, secret: str) -> Token | None:
        if self._given is not None and self._given.matches(secret):
            return self._given
        id_ = secret.split("_", 2)[1] if secret.startswith("vol_") else ""
        # An unknown id costs one comparison as well: the time tells nothing.
        token = self._tokens.get(id_, self._nobody)
        return token if token.matches(secret) and token is not self._nobody else None

    def _refresh(self) -> None:
        """Read the file again when it was changed; one that is broken lets nobody in."""
        self._looked = time.monotonic()
        if self._file is None or (stamp := self._stamp()) == self._seen:
            return
        self._seen = stamp
        self._required = self._required or self.has_tokens
        try:
            self._tokens = {token.id: token for token in self._file.read()}
        except TokenFileError as error:
            log.error("tokens cannot be read; nobody is let in by one", reason=error.message)
            self._tokens, self._required = {}, True

    def _stamp(self) -> tuple[int, int, int] | None:
        if self._file is None:
            return None
        try:
            status = self._file.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size


class _Tickets:
    """Tickets that were issued and not used, by their hashes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[bytes, tuple[float, Caller]] = {}

    def issue(self, caller: Caller) -> str:
        now = self._clock()
        # In the order of issue, so the outdated ones stand in front.
        while self._open:
            oldest = next(iter(self._open))
            if self._open[oldest][0] > now and len(self._open) < _MAX_TICKETS:
                break
            del self._open[oldest]
        ticket = secrets.token_urlsafe(32)
        self._open[self._key(ticket)] = (now + TICKET_S, caller)
        return ticket

    def redeem(self, ticket: str) -> Caller | None:
        deadline, caller = self._open.pop(self._key(ticket), (0.0, None))
        return caller if self._clock() < deadline else None

    @staticmethod
    def _key(ticket: str) -> bytes:
        # Looked up by hash, so that the time of the look-up says nothing about the ticket.
        return hashlib.sha256(ticket.encode("utf-8", "replace")).digest()
