"""The benchmark's networks learn from pairs, and the state is kept that does best on others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from volition.models.training.mixing import scaled

torch = pytest.importorskip("torch", reason="needs the extra train")


def pairs(n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Give slow waves with noise on them, and without."""
    times = np.arange(512) / 256
    phases, freqs_hz = rng.uniform(0, 2 * np.pi, (n, 1)), rng.uniform(2, 6, (n, 1))
    clean = np.sin(2 * np.pi * freqs_hz * times + phases)
    return scaled(clean + 0.5 * rng.standard_normal((n, 512)), clean)


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_the_loss_on_pairs_held_out_falls_and_its_least_is_what_is_given(
    mixed_precision: bool,
) -> None:
    from volition.models.training.atat import error
    from volition.models.training.baselines import cleaner, train

    rng = np.random.default_rng(1)
    held_out = pairs(64, rng)
    course = train(
        "fcnn",
        lambda n: pairs(n, rng),
        60,
        held_out=held_out,
        mixed_precision=mixed_precision,
    )
    steps, losses = zip(*course.held_out, strict=True)
    assert steps == tuple(range(6, 61, 6))
    assert min(losses) < 0.7 * losses[0]
    noisy, clean = held_out
    given = torch.tensor(cleaner(course.network)(noisy))[:, None]
    found = float(error(given, torch.tensor(clean)[:, None]).mean())
    assert found == pytest.approx(min(losses), rel=1e-4)


def test_every_network_of_the_benchmark_gives_segments_of_the_length_that_it_takes() -> None:
    from volition.models.training.baselines import BASELINES

    for name, make in BASELINES.items():
        with torch.no_grad():
            given = make().eval()(torch.randn(2, 1, 512))
        assert given.shape == (2, 1, 512), name
        assert float(given.std()) > 1e-3, name
