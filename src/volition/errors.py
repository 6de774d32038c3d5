"""Every error that Volition raises on purpose, as one tree.

    VolitionError
    ├── ConfigError        a session file, a setting or a model's manifest is wrong
    ├── SpecError          a signal is not what a stage or decoder was prepared for
    ├── StreamError        no such LSL stream, it went away, or LSL itself is missing
    │   └── LslMissingError
    ├── RecordingError     a recording cannot be read or written
    │   └── RecordingExistsError
    ├── DecodeError        a decoder cannot be fitted or run
    │   └── NotFittedError
    ├── ModelError         an artefact does not match its manifest
    ├── SessionError       a call that the session's state does not allow
    │   ├── BusyError      more commands come than its worker takes
    │   └── StopError      an emergency stop that nobody can confirm
    └── InstallationError  Volition itself is not installed as its code expects

Each carries a stable ``code`` for programs, a sentence for a person, and the fields that the
sentence speaks of. Nothing here knows HTTP; the service maps codes to statuses.
"""

from typing import Any, ClassVar


class VolitionError(Exception):
    """The root of the tree.

    Parameters
    ----------
    message
        A sentence that names what was wrong, what was found and what is allowed.
    **fields
        The values the sentence speaks of, for programs.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class ConfigError(VolitionError):
    code = "config"


class SpecError(VolitionError):
    code = "spec"


class StreamError(VolitionError):
    code = "stream"


class LslMissingError(StreamError):
    code = "lsl-missing"


class RecordingError(VolitionError):
    code = "recording"


class RecordingExistsError(RecordingError):
    """A recording is never written over."""


class DecodeError(VolitionError):
    code = "decode"


class NotFittedError(DecodeError):
    code = "not-fitted"


class ModelError(VolitionError):
    code = "model"


class SessionError(VolitionError):
    code = "session"


class BusyError(SessionError):
    """More commands wait for a session's worker than it takes; this one was not delivered."""

    code = "busy"


class StopError(SessionError):
    """The emergency stop is set, but nobody can say that it holds already."""

    code = "stop"


class BusError(VolitionError):
    """The bus between hosts cannot be reached, does not answer, or refuses what was asked."""

    code = "bus"


class InstallationError(VolitionError):
    code = "installation"
