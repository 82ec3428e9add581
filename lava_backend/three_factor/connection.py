"""Connection: synapses on Lava's three-factor engine, its own LearningDense with a mask for the synapses that do not exist."""
from __future__ import annotations

from typing import Any, Mapping

import numpy as np
from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.variable import Var
from lava.proc.dense.models import PyLearningDenseModelBitApproximate
from lava.proc.dense.process import LearningDense
from lava.utils.weightutils import SignMode

from fxsim.engine.oracle.oracle import Recorder
from lava_backend.exact.trial_model import ORDER_SIZE, RECORD, save_record
from lava_backend.package import Package

from .rule import HELD, rules_of


class Connection(LearningDense):
    """One layer of a package. Ports and Vars are those of LearningDense: s_in, a_out, s_in_y1 .. s_in_y3, weights, tag_1, tag_2, x1.

    s_in_bap stays unconnected: a spike there would clip y1, the signed learning signal. Told of 9 bits, Lava keeps odd weights from
    the start; it would otherwise cut them to even ones once, before they learn.
    """

    def __init__(self, package: Package, layer: str, directory: str = ""):
        rule, synapses = rules_of(package)[layer], package.network.topology.synapses(layer)
        learning_rule = Loihi3FLearningRule(dw=rule.text("w"), dd=rule.text("d"), dt=rule.text("t"), x1_impulse=rule.impulse, x1_tau=rule.tau,
                                            t_epoch=1, rng_seed=rule.seed)
        super().__init__(weights=synapses.dense(package.weights[layer]).T.astype(np.int32), learning_rule=learning_rule,
                         num_weight_bits=HELD[f"weight_{layer}"][0], sign_mode=SignMode.MIXED, name=f"Connection {layer}",
                         layer=layer, synapses=synapses, steps=package.steps, directory=directory)
        self.order = Var(shape=(ORDER_SIZE,), init=0)


class ConnectionModel(PyLearningDenseModelBitApproximate):
    """Lava's own model, and three things that it lacks: absent synapses stay at zero, trials start from rest, states are recorded.

    A chip stores only the synapses that exist, so that it needs no mask; Lava's LearningSparse fails with rules that have a tag.
    """

    implements_process = Connection         # Lava's decorator refuses a model whose parent implements a process; protocol, CPU and tags are inherited
    order: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Mapping[str, Any]):
        super().__init__(proc_params)
        synapses, self.layer = proc_params["synapses"], proc_params["layer"]
        self.where = synapses.post, synapses.pre
        self.absent = synapses.dense(np.ones(synapses.size, bool)).T == 0
        self.steps, self.directory = proc_params["steps"], proc_params["directory"]

    def on_var_update(self) -> None:
        """Lava would read the rule again whenever a Var is written; here only ``order`` and weights are."""

    def run_spk(self) -> None:
        if (self.time_step - 1) % self.steps == 0:
            for state in (self.x1, self.tag_1, self.tag_2, self.a_buff):
                state[...] = 0
            self.recorder = Recorder() if self.order[RECORD] else None
        super().run_spk()

    def run_lrn(self) -> None:
        super().run_lrn()
        for state in (self.weights, self.tag_1, self.tag_2):
            state[self.absent] = 0
        if self.recorder:
            self.recorder.add(**{f"{name}_{self.layer}": value[None] for name, value in (
                ("weight", self.weights[self.where]), ("trace", self.x1), ("tag", self.tag_1[self.where]), ("delay", self.tag_2[self.where]))})
            if self.time_step % self.steps == 0:
                save_record(self.recorder, self.directory, int(self.order[RECORD]), f"{type(self).__name__}-{self.layer}")
