from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

from volition.errors import ConfigError
from volition.streams import lsl


def run_python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_nothing_in_streams_loads_pylsl_when_it_is_imported() -> None:
    done = run_python(
        "import sys, pkgutil, importlib\n"
        "from volition import streams\n"
        "walked = pkgutil.walk_packages(streams.__path__, 'volition.streams.')\n"
        "names = [m.name for m in walked]\n"
        "assert 'volition.streams.lsl.inlet' in names\n"
        "assert 'volition.streams.simulated.headset' in names\n"
        "for name in names: importlib.import_module(name)\n"
        "assert 'pylsl' not in sys.modules\n"
    )

    assert done.returncode == 0, done.stderr


def test_a_missing_pylsl_is_an_error_that_says_what_to_install() -> None:
    done = run_python(
        "import sys\n"
        "sys.modules['pylsl'] = None\n"
        "from volition.streams import lsl\n"
        "from volition.errors import LslMissingError\n"
        "try: lsl.load()\n"
        "except LslMissingError as error: print(error.code, error)\n"
    )

    assert done.stdout.startswith("lsl-missing LSL is not available")
    assert "pip install pylsl" in done.stdout


def test_a_liblsl_that_cannot_be_loaded_is_an_error_that_names_the_ways_out(
    tmp_path: Path,
) -> None:
    library = tmp_path / "liblsl.so"
    library.write_text("not a library", encoding="utf-8")

    done = run_python(
        "from volition.streams import lsl\n"
        "from volition.errors import LslMissingError\n"
        "try: lsl.load()\n"
        "except LslMissingError as error: print(error)\n",
        PYLSL_LIB=str(library),
    )

    assert "liblsl cannot be loaded" in done.stdout, done.stderr
    assert "PYLSL_LIB" in done.stdout
    assert "conda-forge" in done.stdout


def test_the_settings_are_what_liblsl_reads(tmp_path: Path) -> None:
    settings = configparser.ConfigParser()
    settings.read_string(
        lsl.settings_text(
            scope="link", known_peers=("amp.lab", "10.0.0.7"), session_id="room-1", port_range=64
        )
    )

    assert settings["multicast"]["ResolveScope"] == "link"
    assert settings["lab"]["KnownPeers"] == "{amp.lab, 10.0.0.7}"
    assert settings["lab"]["SessionID"] == "room-1"
    assert settings["ports"]["PortRange"] == "64"


@pytest.mark.parametrize("peer", ["", "a,b", "a\n[log]", "{a", "a;b"])
def test_a_peer_that_would_break_the_settings_is_refused(peer: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a host name"):
        lsl.settings_text(known_peers=[peer])


def test_an_unknown_scope_is_refused_with_those_that_are_allowed() -> None:
    with pytest.raises(ConfigError, match="allowed: machine, link, site, organization, global"):
        lsl.settings_text(scope="galaxy")  # type: ignore[arg-type]  # what a user may write


def test_settings_reach_this_process_and_its_children(tmp_path: Path) -> None:
    done = run_python(
        "import subprocess, sys\n"
        "from pathlib import Path\n"
        "from volition.streams import lsl\n"
        f"lsl.loopback_config(Path({str(tmp_path)!r}), session_id='a-lab')\n"
        "child = '''import pylsl\n"
        'outlet = pylsl.StreamOutlet(pylsl.StreamInfo("n", "t", 1, 0, "string", "s"))\n'
        "print(outlet.get_info().session_id())'''\n"
        "subprocess.run([sys.executable, '-c', child], check=True)\n"
    )

    assert done.stdout.strip() == "a-lab", done.stderr


def test_settings_that_come_too_late_are_an_error_and_not_ignored(tmp_path: Path) -> None:
    done = run_python(
        "from pathlib import Path\n"
        "from volition.streams.lsl import clock, discovery\n"
        "from volition.streams import lsl\n"
        "from volition.errors import StreamError\n"
        "clock.local_clock()\n"
        f"lsl.loopback_config(Path({str(tmp_path)!r}))\n"
        "discovery.find_streams(wait_s=0.05)\n"
        f"try: lsl.loopback_config(Path({str(tmp_path)!r}))\n"
        "except StreamError as error: print(error)\n"
    )

    assert done.stdout.startswith("LSL is in use in this process"), done.stderr
