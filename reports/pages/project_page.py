"""README.md: presets, and what it says in numbers."""
from __future__ import annotations

import signal
from typing import Iterator

from fxsim.config.evaluation import CheckpointConfig
from fxsim.engine.cuda.device import OLDEST
from fxsim.verify.golden import TOLERANCE
from quant import PrecisionSpec, load_spec, preset_names

from measured_pages import data, markdown

SOFTMAX_ERROR = 2e-7       # tests/model/test_softmax.py holds the integer softmax to 1.5e-7 and one unit of 2^-30
NEURON, SYNAPSE = ("membrane", "adaptation", "trace"), ("eligibility", "adaptation_eligibility", "filtered_eligibility")


def presets() -> list[str]:
    return markdown([["preset", "bits of weights", "of neuron state", "of synapse state", "what it is"],
                     *([f"`{name}`", *(word_bits(load_spec(name), part) for part in (("weight_in",), NEURON, SYNAPSE)), load_spec(name).description] for name in preset_names())])


def word_bits(spec: PrecisionSpec, quantities: tuple[str, ...]) -> str:
    """Widths, each once, the widest first."""
    return ", ".join(map(str, sorted({spec[name].word_bits for name in quantities}, reverse=True)))


TABLES = {"presets": presets}


def sentences() -> Iterator[str]:
    timings = data("gpu/results.json")["timings"]
    rate = {batch: [t["updates_per_second"] / 1e9 for t in timings if t["batch"] == batch] for batch in (4096, 64)}
    yield (f"On an {data('gpu/results.json')['card']['name'].split()[-1]} every engine check equals the oracle to the bit, and a batch of 4096 trials learns at {min(rate[4096]):.0f} to {max(rate[4096]):.0f} G synapse updates a second, one of 64 at {min(rate[64]):.0f} to {max(rate[64]):.0f}")
    assert not any(check["difference"] for check in data("gpu/results.json")["checks"])
    yield f"(compute capability {'.'.join(map(str, OLDEST))} or newer,"
    yield f"every `checkpoint.every` updates ({CheckpointConfig().every}), on SIGINT and SIGTERM (exit status {128 + signal.SIGINT} and {128 + signal.SIGTERM}),"
    yield f"float64 to {TOLERANCE['float64']:.0e}".replace("e-0", "e-")
    yield "formats whose intermediates could overflow 64 bits are refused by name."
    yield f"(table and division, error below {SOFTMAX_ERROR:.0e})".replace("e-0", "e-")
    engine = load_spec("loihi_engine")
    yield f"does e-prop on-line in {engine['trace'].word_bits} to {engine['weight_in'].word_bits} bits:"
    over = [t["iteration"] / t["kernel"] for t in timings if t["batch"] == 4096]
    yield f"At large batches an iteration takes {min(over):.1f} to {max(over):.1f} times as long as its kernels:"
