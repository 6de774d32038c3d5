"""What stages share that flag channels, and what is then done: the policy.

Every ``step_s`` a subclass judges the last ``window_s`` of each channel. A flag stays for
``release_s`` beyond what raised it. Then the policy acts:

- ``repair``: flagged channels are made anew out of the others
  (`volition.decoders.artifacts.interpolation`). Where more than ``max_bad_share`` of the channels
  are flagged, or there is nothing to make them from, nothing can be repaired, and all channels
  count as missing.
- ``mask``: flagged channels count as missing (NaN).
- ``hold``: while any channel is flagged, all count as missing.

A decoder whose window holds a missing sample answers with idle: no decision is ever taken on a span
that could not be repaired. With ``lookahead_s`` the policy reaches back to where a flag's cause
began, at the price of that latency.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.artifacts.electrodes import find_positions
from volition.decoders.artifacts.grid import BlockMap
from volition.decoders.artifacts.interpolation import Interpolator
from volition.decoders.artifacts.references import signal_channels
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import BoolArray, regular_rate
from volition.decoders.stages.blocks import BlockStage, check_varies
from volition.errors import NotFittedError

#: The covariance that interpolation may need follows clean blocks by this time constant, and is
#: used once it has seen that much.
COVARIANCE_S = 20.0
#: Fewer windows are too few to learn means and deviations from.
LEAST_WINDOWS = 4


class FlagSettings(Settings):
    """What stages that flag have in common."""

    policy: Literal["repair", "mask", "hold"] = Field(
        default="repair",
        description="What happens to flagged channels: made anew out of the others, missing, or "
        "all channels missing.",
    )
    window_s: float = Field(default=1.0, gt=0, le=60, description="What a judgement looks at.")
    step_s: float = Field(default=0.1, gt=0, le=10, description="From judgement to judgement.")
    lookahead_s: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="How long samples wait for the judgement of what follows; whole steps.",
    )
    release_s: float = Field(
        default=0.2, ge=0, le=600, description="How long a flag stays after its cause is gone."
    )
    max_bad_share: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="With more than this share of the channels flagged, nothing is repaired and "
        "all count as missing.",
    )


S = TypeVar("S", bound=FlagSettings)


class FlagStage(BlockStage[S]):
    """A stage that flags channels and acts by its policy. A subclass writes ``judge``."""

    @abstractmethod
    def judge(self, window: FloatArray, missing: FloatArray) -> BoolArray:
        """Say which channels are bad in a window (n_samples, n_picked).

        ``missing`` (n_samples, n_picked) is 1 where there was no sample, else 0; there the window
        holds the channel's mean.
        """

    def block_s(self) -> float:
        return self.settings.step_s

    def lookahead_blocks(self) -> int:
        return round(self.settings.lookahead_s * self.rate_hz / self.block_samples)

    def begin(self) -> None:
        n = len(self.picks)
        samples = max(self.block_samples, round(self.settings.window_s * self.rate_hz))
        self._window, self._missing = np.zeros((samples, n)), np.zeros((samples, n))
        self._seen = 0
        self._stays = np.zeros(n, dtype=np.int64)
        # A flag is raised by any window that holds its cause, and acts on samples of lookahead_s
        # ago: it must stay until the last of the cause has gone out.
        self._release_blocks = max(
            round(self.settings.release_s * self.rate_hz / self.block_samples),
            self.lookahead_blocks() - samples // self.block_samples,
        )
        self._map = BlockMap(self.block_samples, n)
        self._interpolator = Interpolator(find_positions([self.spec.labels[i] for i in self.picks]))
        self._covariance_share = self.block_samples / (COVARIANCE_S * self.rate_hz)
        self._covariance = np.zeros((n, n))
        self._covered = 0.0
        self._flags = np.zeros(n, dtype=bool)
        self._matrix: FloatArray | None = None
        self._judged = 0
        self._flagged_blocks = np.zeros(n, dtype=np.int64)
        self._done = {"repaired": 0, "masked": 0, "held": 0}

    def decide(self, block: FloatArray, missing: FloatArray) -> None:
        for ring, new in ((self._window, block), (self._missing, missing)):
            ring[: -len(new)] = ring[len(new) :]
            ring[-len(new) :] = new
        self._seen += len(block)
        if self._seen < len(self._window) or not self.ready():
            return
        bad = self.judge(_with_means(self._window, self._missing), self._missing)
        self._stays = np.where(bad, self._release_blocks + 1, np.maximum(self._stays - 1, 0))
        self._flags = self._stays > 0
        self._judged += 1
        self._flagged_blocks += self._flags
        self._plan()
        if self._flags.mean() <= self.settings.max_bad_share:
            self._learn_covariance(block)

    def ready(self) -> bool:
        """Say whether there is something to judge by."""
        return True

    def clean(self, samples: FloatArray, offset: int) -> FloatArray:
        action = self._action
        if action == "none":
            return samples
        cleaned = samples.copy()
        if action == "hold":
            cleaned[:] = np.nan
        elif action == "mask" or self._matrix is None:
            cleaned[:, self._flags] = np.nan
        else:
            made = self._map.apply(samples, offset, self._matrix)
            cleaned[:, self._flags] = made[:, self._flags]
        return cleaned

    def report(self) -> dict[str, Any]:
        labels = [self.spec.labels[i] for i in self.picks]
        judged = max(1, self._judged)
        return {
            "policy": self.settings.policy,
            "interpolation": self._interpolator.by,
            "flagged": [labels[i] for i in np.flatnonzero(self._flags)],
            "flagged_share": {
                labels[i]: float(self._flagged_blocks[i] / judged)
                for i in np.flatnonzero(self._flagged_blocks)
            },
            **{f"{name}_share": count / judged for name, count in self._done.items()},
        }

    # -- inside ----------------------------------------------------------------------------------

    _action: Literal["none", "mask", "hold", "repair"] = "none"

    def reset(self) -> None:
        self._action = "none"
        super().reset()

    def _plan(self) -> None:
        """Decide what happens to the samples that this judgement is about."""
        flags, policy = self._flags, self.settings.policy
        self._matrix = None
        if not flags.any():
            self._action = "none"
            return
        if policy == "repair" and flags.mean() <= self.settings.max_bad_share:
            self._matrix = self._interpolator.matrix(flags)
        if self._matrix is not None:
            self._action = "repair"
            self._done["repaired"] += 1
        elif policy == "mask":
            self._action = "mask"
            self._done["masked"] += 1
        else:
            self._action = "hold"
            self._done["held"] += 1

    def _learn_covariance(self, block: FloatArray) -> None:
        if self._interpolator.by == "spline":
            return
        share = max(self._covariance_share, 1.0 / (self._covered / self._covariance_share + 1.0))
        centred = block - self._window.mean(axis=0)
        moment = centred.T @ centred / len(block)
        # Nothing is learned of a flagged channel. Where one was always flagged, nothing is known,
        # and its expectation given the others is 0.
        fine = np.ix_(~self._flags, ~self._flags)
        self._covariance[fine] += min(1.0, share) * (moment - self._covariance)[fine]
        self._covered += self._covariance_share
        if self._covered >= 0.25:
            self._interpolator.covariance = self._covariance


def calibration_windows(
    samples: FloatArray, spec: SignalSpec, settings: FlagSettings
) -> list[FloatArray]:
    """Cut calibration ``samples`` (n_samples, n_channels) into the windows that are judged live.

    Raises
    ------
    NotFittedError
        There are fewer than `LEAST_WINDOWS`, or the samples do not vary.
    """
    rate_hz = regular_rate(spec, settings.kind)
    picked = samples[:, signal_channels(spec)]
    window = max(1, round(settings.window_s * rate_hz))
    step = max(1, round(settings.step_s * rate_hz))
    starts = range(0, len(picked) - window + 1, step)
    if len(starts) < LEAST_WINDOWS:
        raise NotFittedError(
            f"{settings.kind}: {len(picked) / rate_hz:.1f} s without gaps hold {len(starts)} "
            f"windows; at least {LEAST_WINDOWS} are needed",
            found=len(starts),
            allowed_from=LEAST_WINDOWS,
        )
    check_varies(picked, settings.kind)
    return [picked[start : start + window] for start in starts]


def _with_means(window: FloatArray, missing: FloatArray) -> FloatArray:
    """Fill what is missing by the mean of what is there."""
    if not missing.any():
        return window
    present = 1.0 - missing
    means = (window * present).sum(axis=0) / np.maximum(present.sum(axis=0), 1.0)
    filled: FloatArray = np.where(missing > 0, means, window)
    return filled
