"""The parameters inside a golden file (``config_json``): those that the model needs; others are left alone."""
from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fxsim.files.archive import Archive


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class NetArch(_Part):
    n_LIF: int = Field(ge=0)
    n_ALIF: int = Field(ge=0)
    n_out: int = Field(ge=1)
    gridshape: tuple[int, int]
    n_neuromodulators: Literal[1] = 1


class NetParams(_Part):
    refractory_period: int = Field(ge=0)        # steps
    k: float = Field(ge=0, le=1)                # post-release decay of the neuromodulator
    dt: float = Field(default=1.0, ge=1, le=1)  # ms
    radius: Literal[1] = 1                      # of the neighbourhood that the neuromodulator diffuses to
    bias_out: float = Field(default=0.0, ge=0, le=0)


class TrainParams(_Part):
    lr: float = Field(gt=0)
    c_reg: float = Field(ge=0)
    f_target: float = Field(ge=0)               # Hz


class Task(_Part):
    task_type: Literal["classification", "regression"]
    LS_avail: int = Field(ge=0)                 # steps at the end of the trial with a learning signal, 0 = all


class CaseConfig(_Part):
    """``config_json`` of a golden file."""

    net_arch: NetArch
    net_params: NetParams
    train_params: TrainParams
    task: Task
    dtype: Literal["float32", "float64"]

    @property
    def n(self) -> int:
        return self.net_arch.n_LIF + self.net_arch.n_ALIF


def parse_config(archive: Archive) -> CaseConfig:
    """The parameters in the archive; InputError names the offending field as ``config_json.part.field``."""
    text = archive.text("config_json")
    try:
        config = CaseConfig.model_validate(json.loads(text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, ("config_json", *first["loc"])))
        found = "nothing" if first["type"] == "missing" else repr(first["input"])
        raise archive.error(field, found, first["msg"]) from None
    except (ValueError, RecursionError) as error:       # a ValidationError is a ValueError, too; so is a number of thousands of digits
        raise archive.error("config_json", error, "valid JSON") from None
    h, w = config.net_arch.gridshape
    if config.n < 1 or min(h, w) < 1 or config.n > h * w:
        raise archive.error("config_json.net_arch.gridshape", f"{h} x {w} for {config.n} neurons",
                            "at least one neuron and a cell for each")
    return config
