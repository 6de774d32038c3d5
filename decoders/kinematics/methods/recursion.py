"""The recursions: a state's mean and covariance, moved on by a prediction and what was observed.

Both filters keep the state in its covariance form, `mean` and `covariance`, of deviations from the
training mean, and both can miss an observation (predict only). They differ in what an observation
is: for the Kalman filter features ``x`` with ``x = C z + noise``, for the discriminative one
(Burkhart et al., Neural Comput. 32:969-1017, 2020) a regression's ``f(x)`` and its error
covariance ``Q(x)``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.decoders.kinematics.methods.gaussian import inverse, symmetric
from volition.errors import ModelError

#: Eigenvalues of Q⁻¹ − S⁻¹ up to this do not count as positive (as in the authors' code).
LEAST_EIGENVALUE = 1e-6

Variant = Literal["standard", "alternative", "robust"]


class _Recursion:
    """A belief about the state, mean and covariance, that moves on from bin to bin.

    Parameters
    ----------
    A, W : ndarray, shape (n_dimensions, n_dimensions)
        Transition and its covariance.
    start_mean, start_covariance
        Belief about the first state before its observation.
    """

    def __init__(
        self, A: FloatArray, W: FloatArray, start_mean: FloatArray, start_covariance: FloatArray
    ) -> None:
        self._A, self._W = A, W
        self._start = (start_mean, start_covariance)

    def restart(self) -> None:
        """Forget what was observed."""
        self.mean, self.covariance = self._start
        self._predicted, self._M = self._start
        self._started = False

    def resume(self, mean: FloatArray, covariance: FloatArray) -> None:
        """Go on from a belief about the newest bin, another filter's or a corrected one."""
        self.mean, self.covariance = mean, covariance
        self._started = True

    def _predict(self) -> None:
        if not self._started:
            self._started = True
            self._predicted, self._M = self._start
            return
        self._predicted = self._A @ self.mean
        self._M = symmetric(self._A @ self.covariance @ self._A.T + self._W)


class KalmanRecursion(_Recursion):
    """The Kalman filter, in full or in its steady state.

    Parameters
    ----------
    A, W : ndarray, shape (n_dimensions, n_dimensions)
        Transition ``z_t = A z_{t-1} + w`` and covariance of ``w``.
    C : ndarray, shape (n_features, n_dimensions)
        Observation ``x_t = C z_t + q``.
    R : ndarray, shape (n_features, n_features)
        Covariance of ``q``, positive definite.
    start_mean, start_covariance
        Belief about the first state, before its observation.
    steady
        Use the gain that the full filter converges to from the first bin on (Malik et al., IEEE
        TNSRE 19:25-34, 2011): the fastest form.

    Notes
    -----
    All observations enter through ``G = Cᵀ R⁻¹`` and ``J = G C``: the gain is ``K = P G`` with the
    posterior covariance ``P = (M⁻¹ + J)⁻¹``, and Joseph's form of the update,
    ``(I − K C) M (I − K C)ᵀ + K R Kᵀ``, is ``(I − P J) M (I − P J)ᵀ + P J P``. A step costs
    one product with the features, however many there are. The prior M may be singular (a state
    that is known where a trial begins), so it is not inverted: with ``J = BᵀB``,
    ``P = M − M Bᵀ (I + B M Bᵀ)⁻¹ B M``, whose inverse is that of a matrix with no eigenvalue
    below 1.
    """

    def __init__(
        self,
        A: FloatArray,
        W: FloatArray,
        C: FloatArray,
        R: FloatArray,
        *,
        start_mean: FloatArray,
        start_covariance: FloatArray,
        steady: bool = False,
    ) -> None:
        super().__init__(A, W, start_mean, start_covariance)
        self._C, self._R = C, R
        try:
            self._G: FloatArray = np.ascontiguousarray(np.linalg.solve(R, C).T)
        except np.linalg.LinAlgError:
            raise ModelError("the observation covariance of a Kalman filter is singular") from None
        self._J = symmetric(self._G @ C)
        values, vectors = np.linalg.eigh(self._J)
        #: B, with J = BᵀB: y = B z + noise of unit covariance says as much of z as all features.
        self._root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
        self._eye = np.eye(len(A))
        self._steady = steady
        if steady:
            self._prepare_steady()
        self.restart()

    def _prepare_steady(self) -> None:
        # The Riccati equation in the dimensions of the state.
        A, B = self._A.T, self._root.T
        try:
            M = symmetric(scipy.linalg.solve_discrete_are(A, B, self._W, self._eye))
        except (np.linalg.LinAlgError, ValueError) as error:
            raise ModelError(f"this Kalman filter has no steady state: {error}") from None
        P = symmetric(M @ np.linalg.inv(self._eye + self._J @ M))
        #: Covariances before and after an observation, in the steady state.
        self._M_steady, self._P_steady = M, P
        self._K_steady: FloatArray = np.ascontiguousarray(P @ self._G)
        self._F_steady: FloatArray = np.ascontiguousarray((self._eye - P @ self._J) @ self._A)

    def restart(self) -> None:
        super().restart()
        self._observed: FloatArray | None = None
        self._previous: FloatArray | None = None

    def resume(self, mean: FloatArray, covariance: FloatArray) -> None:
        super().resume(mean, covariance)
        self._observed = self._previous = None

    def step(self, features: FloatArray | None) -> None:
        """Move on by one bin whose features are given, or None if they are missing."""
        if self._steady and self._started and features is not None:
            previous = self.mean
            self.mean = self._F_steady.dot(previous)
            self.mean += self._K_steady.dot(features)
            self.covariance = self._P_steady
            self._previous, self._observed = previous, features.copy()
            return
        self._predict()
        self._previous = None
        self._observed = None if features is None else features.copy()
        if features is None:
            self.mean, self.covariance = self._predicted, self._M
            return
        if self._steady:
            self.covariance = self._P_steady
            gain = self._K_steady
        else:
            seen = self._root @ self._M
            P = self._M - seen.T @ inverse(self._eye + seen @ self._root.T) @ seen
            left = self._eye - P @ self._J
            self.covariance = symmetric(left @ self._M @ left.T + P @ self._J @ P)
            gain = P @ self._G
        self.mean = self._predicted + gain @ (features - self._C @ self._predicted)

    @property
    def gain(self) -> FloatArray:
        """Gain of the newest update, shape (n_dimensions, n_features)."""
        result: FloatArray = self.covariance @ self._G
        return result

    def surprise(self) -> tuple[FloatArray, float] | None:
        """Give the newest innovation and its normalised square (NIS); None after a missing bin.

        The NIS is ``eᵀ (C M Cᵀ + R)⁻¹ e``; under a right model its mean is the number of features.
        """
        if self._observed is None:
            return None
        predicted, M = self._predicted, self._M
        if self._previous is not None:
            predicted, M = self._A @ self._previous, self._M_steady
        innovation = self._observed - self._C @ predicted
        whitened = np.linalg.solve(self._C @ M @ self._C.T + self._R, innovation)
        return innovation, float(innovation @ whitened)


class DiscriminativeRecursion(_Recursion):
    """The discriminative Kalman filter: Bayes' rule with ``p(z|x)`` in place of ``p(x|z)``.

    With the prediction ``ν = A μ``, ``M = A Σ Aᵀ + Γ``::

        Σ_t = (M⁻¹ + Q(x)⁻¹ − S⁻¹)⁻¹,    μ_t = Σ_t (M⁻¹ ν + Q(x)⁻¹ f(x))

    Parameters
    ----------
    A, W : ndarray, shape (n_dimensions, n_dimensions)
        Transition and covariance (the paper's Γ).
    S : ndarray, shape (n_dimensions, n_dimensions)
        Covariance of the state at any time, the prior that a regression has taken in.
    start_mean, start_covariance
        Belief about the first state before its observation. The paper's start, ``f`` and ``Q`` of
        the first bin, is mean 0 and covariance ``S``.
    variant
        Where ``Q⁻¹ − S⁻¹`` is not positive definite, ``standard`` replaces ``Q`` by
        ``(Q⁻¹ + S⁻¹)⁻¹``; ``alternative`` clips the eigenvalues of ``Q`` relative to ``S`` at 1;
        ``robust`` leaves ``S⁻¹`` out always.
    constant_Q : ndarray, optional
        Error covariance that holds for every bin. The covariance of the state then converges, and
        once it stands still to the last bit or so the gains are kept.
    """

    def __init__(
        self,
        A: FloatArray,
        W: FloatArray,
        S: FloatArray,
        *,
        start_mean: FloatArray,
        start_covariance: FloatArray,
        variant: Variant = "standard",
        constant_Q: FloatArray | None = None,
    ) -> None:
        super().__init__(A, W, start_mean, start_covariance)
        self._S = S
        self._S_inverse = np.zeros_like(S) if variant == "robust" else inverse(S)
        self._S_root = np.linalg.cholesky(S)
        self._variant = variant
        self._constant = None if constant_Q is None else self._information(constant_Q)
        self.restart()

    def restart(self) -> None:
        """Forget what was observed; counts of replacements too."""
        super().restart()
        self._frozen: tuple[FloatArray, FloatArray] | None = None
        self._f: FloatArray | None = None
        self._used: tuple[FloatArray, FloatArray] | None = None
        #: Bins in which ``Q`` had to be replaced.
        self.replaced = 0

    def resume(self, mean: FloatArray, covariance: FloatArray) -> None:
        super().resume(mean, covariance)
        self._frozen = self._f = self._used = None

    def step(self, f: FloatArray | None, Q: FloatArray | None = None) -> None:
        """Move on by one bin.

        Parameters
        ----------
        f : ndarray, shape (n_dimensions,)
            What the regression says of the state; None if the bin is missing.
        Q : ndarray, shape (n_dimensions, n_dimensions)
            Its error covariance; not given where it is constant.
        """
        self._f = f
        if self._frozen is not None and f is not None:
            F, H = self._frozen
            self._predicted = self._A.dot(self.mean)
            self.mean = F.dot(self.mean)
            self.mean += H.dot(f)
            return
        self._predict()
        if f is None:
            self._frozen = None
            self.mean, self.covariance = self._predicted, self._M
            return
        Q_inverse, J, replaced = self._constant or self._information(_required(Q))
        self.replaced += replaced
        M_inverse = inverse(self._M)
        before = self.covariance
        self.covariance = inverse(M_inverse + J)
        self.mean = self.covariance @ (M_inverse @ self._predicted + Q_inverse @ f)
        self._used = (Q_inverse, J)
        still = 1e-14 * float(np.trace(self.covariance))
        if self._constant is not None and (np.abs(self.covariance - before) <= still).all():
            F = np.ascontiguousarray(self.covariance @ M_inverse @ self._A)
            self._frozen = (F, np.ascontiguousarray(self.covariance @ Q_inverse))

    def _information(self, Q: FloatArray) -> tuple[FloatArray, FloatArray, bool]:
        """Give ``Q⁻¹``, what a bin adds to ``M⁻¹``, and whether ``Q`` had to be replaced."""
        Q_inverse = inverse(Q)
        J = Q_inverse - self._S_inverse
        if self._variant == "robust" or _least_eigenvalue(J) > LEAST_EIGENVALUE:
            return Q_inverse, J, False
        if self._variant == "standard":
            return Q_inverse + self._S_inverse, Q_inverse, True
        L = self._S_root
        half = np.linalg.solve(L, Q)
        values, vectors = scipy.linalg.eigh(symmetric(np.linalg.solve(L, half.T)))
        back = np.linalg.solve(L.T, vectors)
        values = np.minimum(values, 1.0)
        return (
            symmetric((back / values) @ back.T),
            symmetric((back * (1.0 / values - 1.0)) @ back.T),
            True,
        )

    @property
    def gain(self) -> FloatArray | None:
        """Weight of ``f`` in the newest mean, shape (n_dimensions, n_dimensions)."""
        if self._f is None or self._used is None:
            return None
        result: FloatArray = self.covariance @ self._used[0]
        return result

    def surprise(self) -> tuple[FloatArray, float] | None:
        """Give the newest innovation ``f − ν`` and its normalised square; None if missing.

        The bin is worth an observation ``y = J⁻¹ Q⁻¹ f`` of the state with covariance ``J⁻¹``; the
        normalised square is that of ``y − ν``, and under a right model its mean is the number of
        dimensions.
        """
        if self._f is None or self._used is None:
            return None
        Q_inverse, J = self._used
        # (y − ν)ᵀ (M + J⁻¹)⁻¹ (y − ν) without J⁻¹, which need not exist.
        difference = Q_inverse @ self._f - J @ self._predicted
        J_inverse = np.linalg.pinv(J, hermitian=True)
        deviation = J_inverse @ difference
        nis = float(
            deviation @ np.linalg.solve(self._prediction_covariance() + J_inverse, deviation)
        )
        return self._f - self._predicted, nis

    def _prediction_covariance(self) -> FloatArray:
        if self._frozen is None:
            return self._M
        return symmetric(self._A @ self.covariance @ self._A.T + self._W)


def _least_eigenvalue(matrix: FloatArray) -> float:
    if matrix.shape == (2, 2):
        (a, b), (_, c) = matrix.tolist()
        middle, half = (a + c) / 2, (a - c) / 2
        return float(middle - (half * half + b * b) ** 0.5)
    return float(np.linalg.eigvalsh(matrix)[0])


def _required(Q: FloatArray | None) -> FloatArray:
    if Q is None:
        raise ValueError("a bin needs an error covariance where none is constant")
    return Q
