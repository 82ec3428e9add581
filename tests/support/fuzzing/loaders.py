"""Every loader as a function of bytes, for fuzzing (tests/support/fuzzing/fuzz.py) and for replaying what a fuzzer found (tests/files/test_fuzz.py).

A target returns True if the loader took the input and False if it refused it in one line; everything else is a fault and raises.
Archives have checksums that blind changes of bytes never get past, so inputs that stand for several files or arrays are
written as ``NAME\\nCONTENT`` parts between MARKs, and archives are packed from them here.
"""
from __future__ import annotations

import atexit
import io
import json
import os
import shutil
import sys
import tempfile
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Callable, Iterable
from unittest import mock

import numpy as np
import yaml

import fxsim.study.plan
from fxsim.config import Config, build_config, dump_config, load_config
from fxsim.errors import InputError
from fxsim.model.given.stored import network_arrays
from fxsim.study.plan import load_study, plan
from fxsim.tasks import make_task
from fxsim.tasks.recordings import recording
from fxsim.training.checkpoints import _header, read, to_bytes
from fxsim.training.initial import network_of
from fxsim.training.loop import Training
from fxsim.training.runs import is_finished
from fxsim.verify.golden_case import load_golden
from lava_backend.package import load_package, package_of_run, package_of_training, save_package
from quant import load_spec
from quant.spec import preset_names, spec_from_dict

MARK = b"\n%%%%\n"
SMALL = ("name=f", "network.n_lif=1", "network.n_alif=1", "network.grid=[1, 2]", "network.input_sparsity=1", "network.readout_sparsity=1",
         "network.connectivity=full", "task.channels=1", "task.fixation=0", "task.cue=2", "task.delay=0", "task.decision=2", "task.window=2", "batch_size=1", "evaluation.batch_size=1",
         "iterations=3", "engine=oracle", "precision=q16", "formats.membrane.word_bits=12")


# ---- what no loader may do ---------------------------------------------------------------------------------------------
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pickle.find_class", "socket.connect", "os.remove", "os.rename", "os.mkdir",
             "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown")
_seen: list[str] | None = None      # events while a loader runs


def _audit(event: str, arguments: tuple) -> None:
    if _seen is not None and (event in FORBIDDEN or event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES):
        _seen.append(f"{event} {arguments}")


def loads(load: Callable[[], object]) -> bool:
    """Whether ``load`` takes its input; raises for all but one short line that says what is wrong, and for what it may not do."""
    global _seen
    _watch()
    _seen = []
    try:
        load()
        return True
    except InputError as error:
        line = str(error)
        assert "\n" not in line and "allowed: " in line and len(line) < 2000, f"no short line: {line[:300]!r}"
        return False
    finally:
        events, _seen = _seen, None
        assert not events, f"forbidden: {events[:3]}"


@cache
def _watch() -> None:
    sys.addaudithook(_audit)        # cannot be taken off again


@cache
def folder() -> Path:
    path = Path(tempfile.mkdtemp(prefix="loaders-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _file(name: str, data: bytes) -> Path:
    path = folder() / name
    path.write_bytes(data)
    return path


# ---- inputs of several parts --------------------------------------------------------------------------------------------
def joined(parts: Iterable[tuple[str, bytes]]) -> bytes:
    return MARK.join(name.encode() + b"\n" + content for name, content in parts)


def split(data: bytes) -> list[tuple[str, bytes]]:
    return [(name.decode("latin-1"), content) for name, _, content in (part.partition(b"\n") for part in data.split(MARK))]


def archive(parts: Iterable[tuple[str, bytes]]) -> bytes:
    """An npz file, with right checksums, of parts that are npy files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, array in dict(parts).items():
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), array)
    return content.getvalue()


def members(content: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return [(name.removesuffix(".npy"), file.read(name)) for name in file.namelist()]


def _npz(data: bytes) -> bytes:
    return data if data.startswith(b"PK") else archive(split(data))


# ---- the loaders --------------------------------------------------------------------------------------------------------
def config(data: bytes) -> bool:
    """First part: a YAML file; the others: overrides, as after --set."""
    text, *overrides = data.split(MARK)
    path = _file("config.yaml", text)

    def load():
        found = load_config(path, [o.decode(errors="replace") for o in overrides])
        assert build_config(found.model_dump(mode="json"), "again") == found, "another configuration is read back"
        found.resolved_precision()
    return loads(load)


def precision(data: bytes) -> bool:
    path = _file("precision.yaml", data)

    def load():
        found = load_spec(path)
        assert spec_from_dict(found.to_dict(), "again") == found, "another precision is read back"
    return loads(load)


def study(data: bytes) -> bool:
    path = _file("study.yaml", data)
    with mock.patch.object(fxsim.study.plan, "MAX_RUNS", 30):        # what may take long is left out
        return loads(lambda: [(run.folder, json.dumps(run.axes)) for run in plan(load_study(path)[0], str(path))])


def golden(data: bytes) -> bool:
    path = _file("golden.npz", _npz(data))
    return loads(lambda: load_golden(path))


def package(data: bytes) -> bool:
    """First part: package.yaml; the others: arrays."""
    (_, text), *arrays = split(data)
    _file("package.yaml", text)
    _file("arrays.npz", archive(arrays))
    return loads(lambda: load_package(folder()))


def checkpoint(data: bytes) -> bool:
    content = _npz(data)
    path, run = _file("iteration-000000001.ckpt", _header(content) + content), training()
    return loads(lambda: run.restore(read(path, run)))


def run(data: bytes) -> bool:
    """First two parts: config.yaml, manifest.json; the others: arrays of weights.npz."""
    (_, text), *rest = split(data)
    _file("config.yaml", text)
    _file("manifest.json", rest[0][1] if rest else b"")
    _file("weights.npz", archive(rest[1:]))
    wanted = training().config

    def load():
        package_of_run(folder())
        is_finished(folder(), wanted)
    return loads(load)


def nir(data: bytes) -> bool:
    """Parts: texts and arrays of an HDF5 file that is made of them; what its library does with damaged files is another matter."""
    import h5py

    from lava_backend.nir import import_nir
    path, foreign = folder() / "net.nir", training().config
    with h5py.File(path, "w") as file:
        for name, content in split(data):
            try:
                array, text = content.startswith(b"\x93NUMPY"), content.decode("latin-1")
                file[name] = np.load(io.BytesIO(content), allow_pickle=False) if array else [row.split(",") for row in text.split("\n")] if name == "node/edges" else text
            except Exception:       # not to be had in HDF5
                continue
    with mock.patch("lava_backend.nir._require_readable"):      # the same in another process
        own = loads(lambda: import_nir(path))
        return loads(lambda: import_nir(path, foreign, lossy=True)) or own


def _trials(path: Path) -> bool:
    """A file of trials as a data set's: opened, checked, and its first trial read."""
    def load():
        make_task(data_set(path, "targets" in path.stem)).trials(np.arange(2))
    recording._FACTS.clear()        # its clock is coarser than this
    return loads(load)


def events(data: bytes) -> bool:
    return _trials(_file("events.npz", _npz(data)))


def dense(data: bytes) -> bool:
    return _trials(_file("dense-targets.npz", _npz(data)))


def hdf5(data: bytes) -> bool:
    """Parts: arrays of an HDF5 file that is made of them; rows of different lengths are marked by a ``*`` in front of the name."""
    import h5py
    path = folder() / "events.h5"
    path.unlink(missing_ok=True)        # HDF5 writes none that is still read
    with h5py.File(path, "w") as file:
        for name, content in split(data):
            try:
                array = np.load(io.BytesIO(content), allow_pickle=False)
                if not name.startswith("*"):
                    file[name] = array
                    continue
                rows = file.create_dataset(name[1:], (len(array),), h5py.vlen_dtype(array.dtype))
                for i, row in enumerate(array):
                    rows[i] = row[:i % (1 + len(row))]
            except Exception:       # not to be had in HDF5
                continue
    return _trials(path)


def weights(data: bytes) -> bool:
    """The network and the weights that a run begins with."""
    path = _file("weights.npz", _npz(data))
    return loads(lambda: network_of(started(path)))


def network(data: bytes) -> bool:
    """All of the network that a configuration names."""
    path = _file("network.npz", _npz(data))
    return loads(lambda: network_of(small(f"network={{from: {path}}}", "learning.rule=eprop")))


# ---- valid inputs -------------------------------------------------------------------------------------------------------
@cache
def training() -> Training:
    found = Training(small())
    found.update(found.task.training_trials(0))
    return found


def small(*changes: str) -> Config:
    return load_config("delayed_match", [*SMALL, *changes])


@cache
def started(path: Path) -> Config:
    return small(f"initial={path}")


@cache
def data_set(path: Path, regression: bool) -> Config:
    data = small().model_dump(mode="json")
    data["task"] = {"name": "dataset", "train": str(path), "test": str(path), "channels": 1, "duration": 4, "targets" if regression else "classes": 2}
    return build_config(data, "mine.yaml")


def _arrays(arrays: dict) -> list[tuple[str, bytes]]:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return members(content.getvalue())


def _golden_seed(kind: str = "classification") -> bytes:
    n, m, K, B, T = 2, 1, 2 if kind == "classification" else 1, 1, 2
    parameters = {"net_arch": {"n_LIF": 1, "n_ALIF": 1, "n_out": K, "gridshape": [1, 2]}, "net_params": {"refractory_period": 1, "k": 0.9},
                  "train_params": {"lr": 0.1, "c_reg": 0.1, "f_target": 10}, "task": {"task_type": kind, "LS_avail": 1}, "dtype": "float64"}
    masks = {"in": np.ones((m, n)), "rec": 1 - np.eye(n), "out": np.ones((n, K))}
    arrays = {"config_json": np.array(json.dumps(parameters)), "feedback": np.ones((n, K)), "cell_row_col": np.array([[0, 0], [0, 1]]),
              "diffusion_kernel": np.full((3, 3), 0.1), "shuffle_permutation": np.array([1, 0]), "x": np.ones((B, T, m), np.uint8),
              "label": np.eye(K)[:1][None].repeat(T, 1) if K > 1 else np.zeros((B, T)), "trial_duration": np.array([T]), "r": np.zeros((B, T, n), int), "z": np.zeros((B, T, n), np.uint8),
              "v": np.zeros((B, T, n)), "y": np.zeros((B, T, K)), **{name: np.array(0.5) for name in ("thr", "gamma", "alpha", "rho", "kappa", "betas")}}
    for layer, mask in masks.items():
        results = [f"{kind}_{rule}_{layer}" for kind in ("grad", "adam3") for rule in ("eprop", "diffusion")]
        arrays |= {f"mask_{layer}": mask.astype(np.uint8), f"w_{layer}": mask, **dict.fromkeys(results, mask)}
    return joined(_arrays(arrays))


def _package_seed() -> bytes:
    save_package(package_of_training(training()), folder(), force=True)
    return joined([("package.yaml", (folder() / "package.yaml").read_bytes()), *members((folder() / "arrays.npz").read_bytes())])


def _run_seed() -> bytes:
    spec, weights = training().arithmetic.spec, training().optimizer.weights
    manifest = {"finished": True, "updates": 1, "precision": spec.name, "formats": spec.to_dict()["quantities"]}
    return joined([("config.yaml", dump_config(small()).encode()), ("manifest.json", json.dumps(manifest).encode()),
                   *_arrays({f"raw_final_{layer}": raw for layer, raw in weights.items()})])


def _nir_seed() -> bytes:
    import h5py
    import nir as library

    from lava_backend.nir import graph_of
    library.write(folder() / "seed.nir", graph_of(training().network, training().config))
    parts: list[tuple[str, bytes]] = []

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            value = item[()]
            if isinstance(value, bytes):
                parts.append((name, value))
            elif item.dtype.hasobject:
                parts.append((name, b"\n".join(map(b",".join, value))))
            else:
                parts.append((name, dict(_arrays({"a": value}))["a"]))
    with h5py.File(folder() / "seed.nir") as file:
        file.visititems(add)
    return joined(parts)


def _events_seed() -> bytes:
    return joined(_arrays({"times": np.array([0.0, 0.001, 0.003]), "units": np.zeros(3, int), "offsets": np.array([0, 1, 3]), "labels": np.array([0, 1])}))


def _hdf5_seed() -> bytes:
    arrays = {"*spikes/times": np.array([[0, 0.001], [0.001, 0.002]], np.float16), "*spikes/units": np.zeros((2, 2), np.uint16), "labels": np.array([0, 1])}
    return joined([(name, dict(_arrays({"a": array}))["a"]) for name, array in arrays.items()])


def _dense_seed() -> bytes:
    return joined(_arrays({"spikes": np.ones((2, 3, 1), np.uint8), "targets": np.zeros((2, 3, 2)), "durations": np.array([2, 3])}))


def _network_seed(names: str, placed: bool = True) -> bytes:
    network = training().network
    whole = replace(network, topology=replace(network.topology, placed=placed))
    return joined(_arrays({**network_arrays(whole), **{f"{names}_{layer}": w for layer, w in network.weights.items()}}))


CONFIG = b"""name: mine
task: {name: cue_accumulation, cues: [3, 5], delay: [300, 400], p: 0.5}
network: {n_lif: 5, n_alif: 4, grid: [3, 3], tau_m: 20.0, tau_out: 20, gains: {input: 2}}
learning: {rule: eprop, optimizer: {name: adamax, beta1_shift: 2}}
precision: q16
formats: {trace: {frac_bits: 3}, membrane: {rounding: floor}}
"""
PRECISION = b"""name: mine
description: text
extends: q16
defaults: {signed: true, rounding: floor, overflow: wrap}
quantities:
  membrane: {word_bits: 12, frac_bits: 8, rounding: stochastic, overflow: saturate}
  shadow_in: {word_bits: 0x18, frac_bits: 20}
"""
STUDY = b"""name: bits
description: text
base: delayed_match
set: {iterations: 5, batch_size: 2}
seeds: [0, 1]
axes: {bits: [formats.weight_in.word_bits, formats.weight_rec.word_bits]}
blocks:
  - {name: a, grid: {precision: [float32], learning.rule: [eprop, diffusion]}}
  - {name: b, base: cue_accumulation, set: {precision: q16}, seeds: [3], grid: {bits: [4, 8]}}
  - {name: c, runs: [{precision: q16, other: 8}, {precision: w8s16}], axes: {other: [formats.trace.word_bits]}}
figures:
  - {kind: curves, title: A, panels: [task, rule], lines: precision, levels: {float: {block: a}}}
  - {kind: heatmap, title: B, where: {block: b}, x: bits, y: rule, metric: nmse}
"""


@cache
def seeds(target: str) -> list[bytes]:
    """Valid inputs of a target."""
    return {"config": lambda: [CONFIG, MARK.join((CONFIG, b"learning.optimizer={name: sgd}", b"task.cue=9", b"network.gains.input=2")), dump_config(small()).encode()],
            "precision": lambda: [PRECISION, yaml.safe_dump(load_spec("loihi2").to_dict()).encode()], "study": lambda: [STUDY],
            "golden": lambda: [_golden_seed(), _golden_seed("regression"), archive(split(_golden_seed()))], "package": lambda: [_package_seed()],
            "checkpoint": lambda: [joined(members((data := to_bytes(training(), training().state()))[data.index(b"\n") + 1:]))],
            "run": lambda: [_run_seed()], "nir": lambda: [_nir_seed()], "events": lambda: [_events_seed(), archive(split(_events_seed()))], "dense": lambda: [_dense_seed()],
            "hdf5": lambda: [_hdf5_seed()], "weights": lambda: [_network_seed("final")], "network": lambda: [_network_seed("weight"), _network_seed("weight", False)]}[target]()


def words() -> set[bytes]:
    """What a blind mutation would hardly find, for a fuzzer's dictionary: names of fields, YAML's tags and notations, headers of arrays."""
    found = {w for target in ("config", "precision", "study", "package", "golden") for seed in seeds(target) for w in seed.replace(b":", b" ").split() if w.isascii() and w.isalnum()}
    return found | {t.encode() for t in (
        *preset_names(), "float32", "float64", "!!int ", "!!float ", "!!bool ", "!!null ", "!!binary ", "!!timestamp ", "!!set ", "!!omap ", "!!pairs ", "!!python/name:os.system ",
        "!!str ", "!!seq ", "!!map ", "&a ", "*a", "<<: ", "? ", "- ", ": ", "|\n ", ">\n ", "---\n", "%YAML 1.1\n", ".inf", "-.inf", ".nan", "1e999", "0x", "0b1", "0o7",
        "1:1:1", "2001-01-01", "2001-01-01T99:99:99Z", "~", "=", "\\ud800", "\\x00", "\\U00110000", "null", "true", "18446744073709551616", "1e308", "'shape': (", "'descr': '", "<f8",
        "<i8", "|u1", "|O", "<U9", ">f4", "<f2", "<c16", "<M8[s]", "|V8", "|S3", "'fortran_order': True", "../", "/dev/zero", "formats.", "[key]", "NaN", "Infinity")}


TARGETS: dict[str, Callable[[bytes], bool]] = {f.__name__: f for f in (config, precision, study, golden, package, checkpoint, run, nir, events, dense, hdf5, weights, network)}
