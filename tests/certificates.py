"""Certificates that a test makes for itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def self_signed(folder: Path, name: str = "localhost", *options: str) -> tuple[Path, Path]:
    """Make a certificate and its key as PEM files; ``options`` are more of ``openssl req``."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl: it makes a certificate")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate), *options),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def for_loopback(folder: Path) -> tuple[Path, Path]:
    """Make one that clients of 127.0.0.1 can trust."""
    return self_signed(folder, "localhost", "-addext", "subjectAltName=IP:127.0.0.1")
