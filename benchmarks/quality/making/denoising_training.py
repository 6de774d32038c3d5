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
from volition.benchmarks.quality.evaluation.denoising import N_PAIRS, Cleaned, score_cleaned
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
    #: Whom each clean segment of ``testing`` is from; one number where that is not known.
    tested: npt.NDArray[np.int64]
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
    chosen = rng.choice(len(testing.eeg), N_PAIRS, replace=False)
    return Material(
        (training.eeg, training.emg),
        training.eeg_person,
        Pairs(testing.eeg[chosen], testing.emg[rng.choice(len(testing.emg), N_PAIRS)]),
        testing.eeg_person[chosen],
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
        np.zeros(len(split.testing.eeg), dtype=np.int64),
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
    held_out = None
    if hold_out:
        material, apart = material.hold_out()
        held_out = held_out_pairs(apart, seed)
    result = {"atat": train_atat(material, out, steps, seed=seed)}
    for name in baselines:
        result[name] = train_baseline(
            material, name, baseline_steps, held_out, seed=seed, mixed_precision=mixed_precision
        )
    return result


def train_atat(material: Material, out: Path, steps: int, *, seed: int = 0) -> dict[str, Any]:
    """Train AT-AT, write it into ``out`` with its scores, and give these."""
    from volition.models.training import atat
    from volition.models.training.mixing import Mixer

    mixer = Mixer(*material.training, RATE_HZ)
    draw = functools.partial(mixer.draw, rng=np.random.default_rng(seed))
    since = time.process_time()
    network = atat.train(draw, steps, seed=seed)
    took_s = time.process_time() - since
    with tempfile.TemporaryDirectory() as folder:
        _write(atat, network, Path(folder), material, {})
        stage = stage_of(Path(folder))
        scores = {"n_parameters": _count(network), **score(stage.clean_segments, material)}
        scores["segment_ms"] = _segment_ms(stage, material.testing)
    told = ("n_parameters", "cc_2db", "cc_m7db", "cc_mean", "segment_ms")
    _write(atat, network, out, material, {"segments": {name: scores[name] for name in told}})
    return {"steps": steps, "training_s": took_s, **scores}


def train_baseline(
    material: Material,
    name: str,
    steps: int,
    held_out: tuple[Any, Any] | None,
    *,
    seed: int = 0,
    mixed_precision: bool = False,
) -> dict[str, Any]:
    """Train one of the benchmark's networks on the same pairs as AT-AT, and score it."""
    from volition.models.training import baselines as networks
    from volition.models.training.mixing import Mixer

    mixer = Mixer(*material.training, RATE_HZ)
    since = time.process_time()
    course = networks.train(
        name,
        functools.partial(mixer.draw, rng=np.random.default_rng(seed)),
        steps,
        seed=seed,
        held_out=held_out,
        mixed_precision=mixed_precision,
    )
    took_s = time.process_time() - since
    one = course.network
    scores = {"n_parameters": _count(one), **score(networks.cleaner(one), material)}
    return {"steps": steps, "training_s": took_s, "held_out": course.held_out, **scores}


def held_out_pairs(apart: tuple[FloatArray, FloatArray], seed: int = 0) -> tuple[Any, Any]:
    """Mix pairs of the people and the muscle that are kept apart; see `Material.hold_out`."""
    from volition.models.training.mixing import Mixer

    return Mixer(*apart, RATE_HZ).draw(N_HELD_OUT, np.random.default_rng([seed, 1]))


def score(clean: Cleaner, material: Material) -> dict[str, Any]:
    """Give the means over the pairs for testing.

    Returns
    -------
    dict
        ``levels`` of SNR and ``clean``, each with relative errors and correlation, the latter by
        person, and their intervals over people; and the correlation at both ends and on the mean.
    """

    def scored(given: FloatArray, wanted: FloatArray) -> dict[str, Any]:
        pairs = Cleaned(material.tested.tolist(), wanted, given)
        return score_cleaned(("segments", "emg", None), "network", pairs, RATE_HZ)

    levels = {
        f"{snr_db:g}": scored(clean(noisy), wanted)
        for snr_db, noisy, wanted in material.testing.levels()
    }
    eeg = material.testing.eeg / material.testing.eeg.std(axis=1, keepdims=True)
    return {
        "cc_2db": levels["2"]["cc"],
        "cc_m7db": levels["-7"]["cc"],
        "cc_mean": float(np.mean([levels[f"{snr_db:g}"]["cc"] for snr_db in SNR_DB])),
        "levels": levels,
        "clean": scored(clean(eeg), eeg),
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


def stage_of(folder: Path | None = None) -> Atat:
    """Make a stage of the networks in a folder (of those that ship), ready for single channels."""
    stage = Atat(
        AtatSettings()
        if folder is None
        else AtatSettings(
            autoencoder=FileName(folder / "atat-autoencoder"),
            transformer=FileName(folder / "atat-transformer"),
        )
    )
    stage.prepare(SignalSpec(RATE_HZ, ("Cz",)))
    return stage


def _segment_ms(stage: Atat, pairs: Pairs) -> float:
    """Give the median time for a noisy segment on this thread, milliseconds."""
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
