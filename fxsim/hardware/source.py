"""The network that is meant: of a run directory with its trained weights, or of a configuration with its initial ones."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

from fxsim.config import Config, load_config
from fxsim.config.io import override
from fxsim.model.network import Network
from fxsim.training.initial import fitted, network_in_file, network_of


def network_and_config(source: str | Path, changes: Sequence[str] = ()) -> tuple[Network, Config, str]:
    """The network, its configuration with ``field=value`` changes, and in words which weights these are. Raises InputError."""
    path = Path(source)
    if not path.is_dir():
        config = load_config(source, list(changes))
        given = "" if config.initial is None else f", given by {config.initial.path}"
        return network_of(config), config, f"initial weights of the configuration{given}, not trained"
    network, own = network_in_file(path)
    config = override(own, list(changes), str(source))
    return fitted(str(source), network, config), config, f"trained weights of the run {path}"
