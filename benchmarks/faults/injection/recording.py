"""A recording meets a full disk, one that cannot be written to, and death."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyxdf

from volition.benchmarks.faults.injection.scene import Scene, require, wait_until
from volition.benchmarks.faults.injection.witness import Witness
from volition.streams.lsl.clock import local_clock

_ROOM_BYTES = 50_000
_DISK_BYTES = 4 << 20
_RECORDS_S = 2.0
_RECORDS_ON_S = 4.0
_MAY_LOSE_S = 1.0


def fills_the_disk(scene: Scene) -> None:
    """Disk full while recording, then not."""
    disk = small_disk(scene)
    if disk is None and not hasattr(psutil, "RLIMIT_FSIZE"):
        scene.note("not tried: no disk can be made, nor a file's size be limited, on this system")
        return
    if disk is not None:
        scene.own_service(env={"VOLITION_DATA": str(disk)})
    feeder, witness = _recorded(scene)
    recorder = _recorder(scene, witness)
    place, since = witness.mark(), local_clock()
    if disk is not None:
        fill(disk / "filler")
    else:
        # Nothing of a file may lie beyond this: as full as it can be without filling a real disk.
        size = _state(scene, witness)["bytes"]
        recorder.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
    wait_until(
        lambda: _state(scene, witness)["error"], lambda: "no error is told of", timeout_s=5.0
    )
    scene.saw_at(local_clock(), since)
    scene.note(_state(scene, witness)["error"])
    time.sleep(_RECORDS_S)
    require({*witness.states(place)} <= {"running"}, "the session did not go on")
    if disk is not None:
        (disk / "filler").unlink()
    else:
        recorder.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    lifted = local_clock()
    wait_until(
        lambda: not _state(scene, witness)["error"], lambda: "it writes no more", timeout_s=5.0
    )
    scene.took_until(local_clock(), lifted)
    scene.judge(witness, feeder)
    report = feeder.tell("pause")
    scene.settled(witness, feeder, report)
    recording = scene.client.state(witness.session).recording
    path = _path(scene, witness)
    scene.client.stop(witness.session)
    _until_gone(recorder)
    require(recording is not None, "there is no recording")
    lost = 0 if recording is None else recording.lost
    scene.lost(report["sent"] - _samples_in(path), lost)


def small_disk(scene: Scene) -> Path | None:
    """Mount a file system of a few megabytes, which an administrator of Linux may."""
    place = scene.folder / "disk"
    place.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if sys.platform != "linux" or mount is None or umount is None:
        return None
    options = ("-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "volition", str(place))
    if subprocess.run([mount, *options], capture_output=True, check=False).returncode != 0:
        return None
    # Lazily: what still has a file open there ends with this row as well.
    scene.enter(contextlib.ExitStack()).callback(
        subprocess.run, [umount, "--lazy", str(place)], check=False
    )
    return place


def fill(path: Path) -> None:
    """Write until nothing more goes onto the disk."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def cannot_be_written(scene: Scene) -> None:
    """Folder of the recordings cannot be written to."""
    # A file in the folder's place: permissions alone would not keep an administrator out.
    (scene.folder / "recordings").write_text("not a folder")
    scene.own_service(env={"VOLITION_DATA": str(scene.folder)})
    feeder = scene.feeder()
    witness = scene.session(feeder, outputs=[{"kind": "record"}])
    running = witness.wait_for_state("running").t
    error = wait_until(
        lambda: (_state(scene, witness) or {}).get("error"),
        lambda: "no error is told of",
        timeout_s=5.0,
    )
    scene.saw_at(local_clock(), max(running, witness.intents()[0].t))
    scene.note(error)
    place = witness.mark()
    witness.wait_for_order(after=place)
    scene.judge(witness, feeder)


def recorder_is_killed(scene: Scene) -> None:
    """The recording's process killed (SIGKILL)."""
    feeder, witness = _recorded(scene)
    path = _path(scene, witness)
    place, killed = witness.mark(), local_clock()
    _recorder(scene, witness).kill()
    wait_until(
        lambda: _state(scene, witness)["error"], lambda: "no error is told of", timeout_s=5.0
    )
    scene.saw_at(local_clock(), killed)
    witness.wait_for_order(after=place)
    _lacks_at_most(scene, path, killed)
    wait_until(
        lambda: (s := _state(scene, witness))["restarts"] == 1 and not s["error"] and s["samples"],
        lambda: f"it is not recorded any more: {_state(scene, witness)}",
        timeout_s=5.0,
    )
    scene.took_until(local_clock(), killed, within_s=_RECORDS_ON_S)
    require(_path(scene, witness) != path, "it records into the former file")
    lost = _state(scene, witness)["lost"]
    scene.note(f"a second file goes on; {lost} samples are said to be in neither")
    scene.judge(witness, feeder)


def worker_is_killed(scene: Scene) -> None:
    """Worker killed (SIGKILL) while recording."""
    feeder, witness = _recorded(scene)
    recorder, path = _recorder(scene, witness), _path(scene, witness)
    place, killed = witness.mark(), local_clock()
    scene.worker(witness).kill()
    scene.saw(witness.wait_for_state("connecting", after=place), killed)
    _until_gone(recorder)
    _lacks_at_most(scene, path, killed)
    witness.wait_for_order(after=place)
    scene.judge(witness, feeder)
    wait_until(
        lambda: (_state(scene, witness) or {}).get("file") not in (None, path.name),
        lambda: "its successor does not record",
        timeout_s=5.0,
    )


def service_is_killed(scene: Scene) -> None:
    """The whole service killed (SIGKILL) while recording."""
    service = scene.own_service(env={"VOLITION_DATA": str(scene.folder)})
    feeder, witness = _recorded(scene)
    recorder, path = _recorder(scene, witness), _path(scene, witness)
    worker = scene.worker(witness)
    killed = local_clock()
    psutil.Process(service.pid).kill()
    _until_gone(recorder)
    _until_gone(worker)
    _lacks_at_most(scene, path, killed)
    scene.note("no process is left")
    require(feeder.tell("report")["sent"] > 0, "nothing was sent")


def _recorded(scene: Scene) -> tuple[Any, Witness]:
    feeder = scene.feeder()
    witness = scene.session(feeder, outputs=[{"kind": "record"}], stream={"channels": None})
    wait_until(
        lambda: (_state(scene, witness) or {}).get("bytes", 0) > _ROOM_BYTES,
        lambda: f"it does not record: {_state(scene, witness)}",
        timeout_s=10.0,
    )
    return feeder, witness


def _state(scene: Scene, witness: Witness) -> Any:
    return scene.state(witness)["recording"]


def _path(scene: Scene, witness: Witness) -> Path:
    environment = psutil.Process(scene.service.pid).environ()
    name: str = _state(scene, witness)["file"]
    return Path(environment["VOLITION_DATA"]) / "recordings" / name


def _recorder(scene: Scene, witness: Witness) -> psutil.Process:
    (recorder,) = scene.worker(witness).children()
    return recorder


def _until_gone(process: psutil.Process) -> None:
    _, alive = psutil.wait_procs([process], timeout=5.0)
    require(not alive, f"{process.pid} is still there")


def _samples_in(path: Path) -> int:
    return len(_load(path)["time_stamps"])


def _lacks_at_most(scene: Scene, path: Path, killed: float) -> None:
    """Hold a file to what it may lack: `_MAY_LOSE_S` before the death."""
    stream = _load(path)
    lacks_s = killed - float(stream["time_stamps"][-1])
    require(lacks_s <= _MAY_LOSE_S, f"the file lacks the last {lacks_s:.2f} s")
    numbers = stream["time_series"][:, -1]
    whole = bool((numbers[1:] - numbers[:-1] == 1).all())
    require(whole, "samples are missing within the file")
    scene.note(f"the file opens and lacks the last {max(0.0, lacks_s):.2f} s")


def _load(path: Path) -> Any:
    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    (signal,) = (s for s in streams if s["info"]["type"][0] == "EEG")
    return signal


FAULTS: tuple[Callable[[Scene], None], ...] = (
    fills_the_disk,
    cannot_be_written,
    recorder_is_killed,
    worker_is_killed,
    service_is_killed,
)
