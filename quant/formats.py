"""``QFormat``: a fixed-point number format. A stored value is ``raw * 2**-frac_bits``."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .errors import InputError, shown
from .random import element_key, random31, step_key, trial_key
from .rounding import OVERFLOWS, ROUNDINGS

WORD_BITS = (2, 32)
FRAC_BITS = (-64, 64)
FLOATS: dict[str, type[np.floating]] = {"float32": np.float32, "float64": np.float64}     # what is no fixed-point format, by name
PIECE = 1 << 12     # numbers worked on at once: arrays of more would be fresh memory from the system each time


@dataclass(frozen=True)
class QFormat:
    """A fixed-point format.

    word_bits   bits of the stored word, sign included (2 .. 32)
    frac_bits   binary point: may exceed word_bits (values below 1/2) or be negative (-64 .. 64)
    signed      two's complement if true
    rounding    a name in quant.rounding.ROUNDINGS: floor, nearest_even, stochastic, ...
    overflow    saturate | wrap

    >>> QFormat(8, 4).quantize([0.3, 100.0])
    array([  5, 127])
    """

    word_bits: int
    frac_bits: int
    signed: bool = True
    rounding: str = "nearest_even"
    overflow: str = "saturate"

    def __post_init__(self) -> None:
        for field, (lo, hi) in {"word_bits": WORD_BITS, "frac_bits": FRAC_BITS}.items():
            value = getattr(self, field)
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or not lo <= value <= hi:
                raise InputError("QFormat", field, shown(value), f"an integer from {lo} to {hi}")
            object.__setattr__(self, field, int(value))
        if not isinstance(self.signed, bool):
            raise InputError("QFormat", "signed", shown(self.signed), "true or false")
        for field, names in {"rounding": tuple(ROUNDINGS), "overflow": tuple(OVERFLOWS)}.items():
            if getattr(self, field) not in names:       # in a tuple: the value may be unhashable
                raise InputError("QFormat", field, shown(getattr(self, field)), "one of " + ", ".join(names))

    @property
    def min_raw(self) -> int:
        return -(1 << (self.word_bits - 1)) if self.signed else 0

    @property
    def max_raw(self) -> int:
        return (1 << (self.word_bits - self.signed)) - 1

    @property
    def min(self) -> float:
        """Smallest value."""
        return self.min_raw * self.resolution

    @property
    def max(self) -> float:
        """Largest value."""
        return self.max_raw * self.resolution

    @property
    def resolution(self) -> float:
        """Distance of neighbouring values, 2**-frac_bits."""
        return 2.0 ** -self.frac_bits

    def quantize(self, x: ArrayLike, random: np.ndarray | None = None) -> np.ndarray:
        """The raw values (int64) nearest to ``x`` under this format's rounding and overflow, computed exactly.

        random  31-bit random words, same shape as x, for stochastic rounding. Without it the words come from the
                counter-based generator with seed 0, trial 0 and the element's flat index, so the result is a fixed
                function of x.

        Raises ValueError for NaN and infinity, and for words of another shape, or that are not whole numbers from 0 to 2**31 - 1.
        """
        x = np.asarray(x, np.float64)
        if not np.isfinite(x).all():
            raise ValueError(f"cannot quantize {x[~np.isfinite(x)].flat[0]}: only finite numbers have a fixed-point value")
        if self.rounding == "stochastic" and random is None:
            random = random31(np.uint64(trial_key(0, 0)), element_key(step_key(0, 0), np.arange(x.size, dtype=np.uint64))).reshape(x.shape)
        elif random is not None:
            random = _words31(random, x.shape)
        if x.size <= PIECE:
            return self._quantized(x, random)
        flat, words = x.ravel(), None if random is None else np.ravel(random)
        pieces = [slice(start, start + PIECE) for start in range(0, x.size, PIECE)]
        return np.concatenate([self._quantized(flat[piece], None if words is None else words[piece]) for piece in pieces]).reshape(x.shape)

    def _quantized(self, x: np.ndarray, random: np.ndarray | None) -> np.ndarray:
        """The same for finite numbers, with the random words that they take."""
        if self.overflow == "saturate":
            x = np.minimum(np.maximum(x, self.min), self.max)       # whole raw values stay what they are, so this needs no other clip
        else:
            x = np.fmod(x, 2.0 ** (self.word_bits - self.frac_bits))        # exact, and keeps the sign
        y = x * 2.0**self.frac_bits                         # exact, but for results too small for a double:
        if self.frac_bits < 0:
            y = np.where((y == 0) & (x != 0), np.copysign(2.0**-1000, x), y)
        raw = self._round(y, random)
        return raw if self.overflow == "saturate" else OVERFLOWS["wrap"](raw, self.min_raw, self.max_raw)

    def _round(self, y: np.ndarray, random: np.ndarray | None) -> np.ndarray:
        """The integers (int64) that the rounding makes of ``y``: :data:`ROUNDINGS` on 31 bits of fraction, and one that stands for all below them."""
        whole = np.trunc(y)                                 # y - whole is exact, y - floor(y) is not just below 0
        fraction = (y - whole) * 2.0**31
        fine = (np.floor(fraction) + np.ceil(fraction)).astype(np.int64)    # no rounding tells apart what lies between two of these
        r = None if random is None else random.astype(np.int64)
        return ROUNDINGS[self.rounding](fine, 32, r, whole.astype(np.int64))

    def to_float(self, raw: ArrayLike) -> np.ndarray:
        """Raw values as float64 (exact)."""
        return np.asarray(raw, np.float64) * 2.0**-self.frac_bits

    def __str__(self) -> str:
        """For example ``s16.12 nearest_even`` or ``u8.8 stochastic wrap``."""
        text = f"{'s' if self.signed else 'u'}{self.word_bits}.{self.frac_bits} {self.rounding}"
        return text if self.overflow == "saturate" else f"{text} {self.overflow}"


def _words31(random: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Random words as given, if they are what roundings take."""
    words = np.asarray(random)
    if words.shape != shape or words.dtype.kind not in "iu":
        raise ValueError(f"random words: {words.dtype} of shape {words.shape}, not whole numbers of shape {shape}")
    if words.size and not (0 <= words.min() and words.max() < 1 << 31):
        raise ValueError(f"random words from {words.min()} to {words.max()}, not from 0 to 2**31 - 1: of 32 bits take the upper 31 (word >> 1)")
    return words
