"""Training AT-AT and the benchmark's networks beside it, and scoring them on people held apart.

    python -m volition.benchmarks.quality.making.denoising_training SOURCE ROOT ...

    denoise_mix ROOT --out models/networks
    denoise_mix ROOT --out DIR --hold-out --steps 600 --baselines fcnn rnn
    eegdenoisenet ROOT --baselines fcnn rnn

The first makes the networks that ship. With ``--hold-out`` a sixth of the people who may be
trained on are kept apart, of each baseline the state is taken that does best on them, and the
answer says how their loss fell: whether the training went far enough. Each network is scored on
single segments at EEGdenoiseNet's ten levels of muscle, and on clean ones, AT-AT by its exported
files and its gate, as a session runs them. Answers are JSON on the standard output. It needs the
extra ``train``; ``OMP_NUM_THREADS=1`` keeps it to one thread.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from volition.benchmarks.quality.contract.denoising import SNR_DB
from volition.benchmarks.quality.datasets import denoise_mix, eegdenoisenet
from volition.benchmarks.quality.datasets.eegdenoisenet import Pairs
from volition.benchmarks.quality.evaluation.denoising import N_PAIRS, score_segment
from volition.chunk import FloatArray, SignalSpec
from volition.decoders.contract.settings import FileName
from volition.decoders.fitting.network import save_network
from volition.decoders.stages.atat import Atat, AtatSettings

RATE_HZ = 256.0
#: Cleans segments (n, n_samples).
Cleaner = Callable[[FloatArray], FloatArray]
#: One in this many of those who may be trained on is held out, when that is asked for.
HOLD_OUT_EVERY = 6
N_HELD_OUT = 400


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What is trained on, what is tested on, and how that is said."""

    training: tuple[FloatArray, FloatArray]
    #: Whom each clean segment of ``training`` is from.
    people: npt.NDArray[np.int64]
    testing: Pairs
    trained_on: str
    licence: str

    def hold_out(self) -> tuple[Material, tuple[FloatArray, FloatArray]]:
        """Keep a part of what is trained on apart: people, and the last windows of muscle."""
        eeg, muscle = self.training
        held = np.isin(self.people, np.unique(self.people)[::HOLD_OUT_EVERY])
        cut = len(muscle) - len(muscle) // HOLD_OUT_EVERY
        left = replace(self, training=(eeg[~held], muscle[:cut]), people=self.people[~held])
        return left, (eeg[held], muscle[cut:])


def from_denoise_mix(root: Path, seed: int) -> Material:
    """Take the data set `denoise_mix`, people and sources of muscle apart."""
    segments = denoise_mix.load_segments(root)
    training, testing = segments.part(test=False), segments.part(test=True)
    rng = np.random.default_rng(seed)
    eeg = testing.eeg[rng.choice(len(testing.eeg), N_PAIRS, replace=False)]
    return Material(
        (training.eeg, training.emg),
        training.eeg_person,
        Pairs(eeg, testing.emg[rng.choice(len(testing.emg), N_PAIRS)]),
        f"denoise_mix, the part for training: {len(training.eeg)} clean segments of "
        f"{len(np.unique(training.eeg_person))} people (PhysioNet EEGMAT), {len(training.emg)} "
        "windows of biceps muscle of two sources, and as many simulated bursts",
        "EEG: ODC-BY 1.0 (Zyma et al. 2019, doi 10.3390/data4010014); muscle: none stated by its "
        "source (github.com/Nikita868/PSYC9080)",
    )


def from_eegdenoisenet(root: Path, seed: int) -> Material:
    """Take EEGdenoiseNet's files, its protocol but for the rate: 256 Hz."""
    split = eegdenoisenet.load(root, "emg", seed=seed, rate_hz=RATE_HZ)
    return Material(
        (split.training.eeg, split.training.artifact),
        np.arange(len(split.training.eeg)),  # who is who is not stated there
        split.testing,
        "EEGdenoiseNet, 80 % of its segments, at 256 Hz",
        "as EEGdenoiseNet",
    )


SOURCES = {"denoise_mix": from_denoise_mix, "eegdenoisenet": from_eegdenoisenet}


def run(
    material: Material,
    out: Path,
    *,
    steps: int,
    baselines: Sequence[str] = (),
    baseline_steps: int = 900,
    seed: int = 0,
    hold_out: bool = False,
    mixed_precision: bool = False,
) -> dict[str, Any]:
    """Train AT-AT and ``baselines``, write AT-AT into ``out``, and score all of them."""
    from volition.models.training import atat
    from volition.models.training import baselines as networks
    from volition.models.training.mixing import Mixer

    held_out = None
    if hold_out:
        material, apart = material.hold_out()
        held_out = Mixer(*apart, RATE_HZ).draw(N_HELD_OUT, np.random.default_rng([seed, 1]))
    mixer = Mixer(*material.training, RATE_HZ)
    result: dict[str, Any] = {}
    draw = functools.partial(mixer.draw, rng=np.random.default_rng(seed))
    since = time.process_time()
    network = atat.train(draw, steps, seed=seed)
    parameters = _count(network)
    took_s = time.process_time() - since
    with tempfile.TemporaryDirectory() as folder:
        _write(atat, network, Path(folder), material, {})
        scores = {"n_parameters": parameters, **score(_gated(Path(folder)), material.testing)}
        scores["segment_ms"] = _segment_ms(Path(folder), material.testing)
    _write(atat, network, out, material, {"segments": scores})
    result["atat"] = {"steps": steps, "training_s": took_s, **scores}
    for name in baselines:
        since = time.process_time()
        course = networks.train(
            name,
            functools.partial(mixer.draw, rng=np.random.default_rng(seed)),
            baseline_steps,
            seed=seed,
            held_out=held_out,
            mixed_precision=mixed_precision,
        )
        took_s = time.process_time() - since
        one = course.network
        scores = {"n_parameters": _count(one), **score(networks.cleaner(one), material.testing)}
        result[name] = {
            "steps": baseline_steps,
            "training_s": took_s,
            "held_out": course.held_out,
            **scores,
        }
    return result


def score(clean: Cleaner, pairs: Pairs) -> dict[str, Any]:
    """Give the means over ``pairs``: ``levels`` of SNR and ``clean``, each with three figures."""

    def means(given: FloatArray, wanted: FloatArray) -> dict[str, float]:
        scores = [
            score_segment(x[None], y[None], RATE_HZ) for x, y in zip(wanted, given, strict=True)
        ]
        found = np.mean([one for one in scores if one is not None], axis=0)
        return dict(zip(("rrmse_time", "rrmse_spectrum", "cc"), found.tolist(), strict=True))

    levels = {
        f"{snr_db:g}": means(clean(noisy), wanted) for snr_db, noisy, wanted in pairs.levels()
    }
    eeg = pairs.eeg / pairs.eeg.std(axis=1, keepdims=True)
    return {
        "cc_2db": levels["2"]["cc"],
        "cc_m7db": levels["-7"]["cc"],
        "cc_mean": float(np.mean([levels[f"{snr_db:g}"]["cc"] for snr_db in SNR_DB])),
        "levels": levels,
        "clean": means(clean(eeg), eeg),
    }


def _write(
    atat: Any, network: Any, folder: Path, material: Material, scores: dict[str, Any]
) -> None:
    made = atat.exported(
        network,
        rate_hz=RATE_HZ,
        trained_on=material.trained_on,
        licence=material.licence,
        scores=scores,
    )
    for manifest, content in made.values():
        save_network(folder, manifest, content)


def _stage(folder: Path) -> Atat:
    settings = AtatSettings(
        autoencoder=FileName(folder / "atat-autoencoder"),
        transformer=FileName(folder / "atat-transformer"),
    )
    stage = Atat(settings)
    stage.prepare(SignalSpec(RATE_HZ, ("Cz",)))
    return stage


def _gated(folder: Path) -> Cleaner:
    return _stage(folder).clean_segments


def _segment_ms(folder: Path, pairs: Pairs) -> float:
    """Give the median time for a noisy segment on this thread, milliseconds."""
    stage = _stage(folder)
    noisy, _ = pairs.at(-7.0)
    took = []
    for segment in noisy[:100]:
        since = time.perf_counter()
        stage.clean_segments(segment[None])
        took.append(time.perf_counter() - since)
    return 1e3 * float(np.median(took))


def _count(network: Any) -> int:
    return sum(one.numel() for one in network.parameters())


def main(arguments: Sequence[str]) -> None:
    """Train, and write what was found to the standard output."""
    from volition.models.training.baselines import BASELINES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", choices=sorted(SOURCES))
    parser.add_argument("root", type=Path, help="folder of the files")
    parser.add_argument("--out", type=Path, default=Path(), help="where AT-AT's networks go")
    parser.add_argument("--steps", type=int, default=2000, help="batches of AT-AT")
    parser.add_argument("--baselines", nargs="*", choices=sorted(BASELINES), default=[])
    parser.add_argument("--baseline-steps", type=int, default=900)
    parser.add_argument("--hold-out", action="store_true", help="keep some people apart, see above")
    parser.add_argument("--mixed-precision", action="store_true", help="of the baselines' training")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    result = run(
        SOURCES[given.source](given.root, given.seed),
        given.out,
        steps=given.steps,
        baselines=given.baselines,
        baseline_steps=given.baseline_steps,
        seed=given.seed,
        hold_out=given.hold_out,
        mixed_precision=given.mixed_precision,
    )
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
