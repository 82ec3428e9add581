"""What fuzzing found stays found: faults of the loaders, and the corpus of tests/support/fuzzing/fuzz.py, through the same functions."""
import os
import re
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

from fxsim.errors import InputError
from fxsim.files.archive import Archive

import fuzz
import loaders
from loaders import CONFIG, MARK, PRECISION, STUDY, TARGETS, archive, joined, seeds, split

YAML_FAULTS = {"bool": "!!bool maybe", "timestamp": "!!timestamp x", "int": "!!int ''", "float": "!!float '_'", "hexadecimal": "0x" + 5000 * "f", "sexagesimal": ":".join(["1"] * 30000),
               "surrogate": '"\\ud800"'}


@pytest.fixture(autouse=True)
def installed(request):
    if "nir" in request.node.name:
        pytest.importorskip("nir", reason="package nir is not installed (extra nir)")


def faulty(target, kind):
    """The valid input with one value that its loader once stumbled over."""
    seed, place = {"config": (CONFIG, b"name: mine"), "precision": (PRECISION, b"name: mine"), "study": (STUDY, b"seeds: [0, 1]"), "package": (seeds("package")[0], b"c_reg: 0.01")}[target]
    assert place in seed
    return seed.replace(place, place.split(b":")[0] + b": " + YAML_FAULTS[kind].encode(), 1)


@pytest.mark.parametrize("target", TARGETS)
def test_valid_inputs_are_taken(target):
    """Else nothing below means anything."""
    assert seeds(target) and all(TARGETS[target](seed) for seed in seeds(target))


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_of_the_fuzzer(target):
    taken = [TARGETS[target](data) for data in fuzz.kept(target)]
    assert len(taken) >= 5 and False in taken


@pytest.mark.parametrize("kind", YAML_FAULTS)
@pytest.mark.parametrize("target", ["config", "precision", "study", "package"])
def test_yaml_that_ended_in_a_traceback_or_took_minutes(target, kind):
    start = time.process_time()
    assert not TARGETS[target](faulty(target, kind)) and time.process_time() - start < 5


@pytest.mark.parametrize("target", ["config", "precision", "study"])
def test_many_keys_take_no_time_that_grows_with_their_square(target):
    start = time.process_time()
    assert not TARGETS[target]("\n".join(f"a{i}:" for i in range(20000)).encode()) and time.process_time() - start < 10


def test_precisions_know_no_aliases_and_no_repeated_keys():
    assert not loaders.precision(PRECISION + b"name: again\n")
    assert not loaders.precision(PRECISION.replace(b"word_bits: 12", b"word_bits: &a 12").replace(b"0x18", b"*a"))


def test_a_field_name_of_any_length_is_a_short_line():
    assert not loaders.config(CONFIG + MARK + b".".join([b"formats"] * 1000) + b"=1")


@pytest.mark.parametrize("change", [("c_reg: 0.01", "c_reg: 1.0e+18"), ("c_reg: 0.01", "c_reg: 1.0e+30"), ("threshold: 0.03", "threshold: 1.0e-30")])
def test_a_package_whose_coefficients_fit_no_word(change):
    old, new = (text.encode() for text in change)
    assert old in seeds("package")[0] and not loaders.package(seeds("package")[0].replace(old, new, 1))


def with_array(target, name, content):
    parts = dict(split(seeds(target)[0]))
    assert name in parts
    return joined({**parts, name: content}.items())


def claim(descr, shape):
    """The head of an npy file of numbers that are not there."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"


@pytest.mark.parametrize("descr", ["<f8", "|u1", "|V0", "<U0", "|S0", "|O", "<M8[s]", "(3,)<f8"])
@pytest.mark.parametrize("shape", ["(1, 1, 1)", f"({2**47}, 1, 1)", f"(0, {2**62}, 1)", "(-1, 1, -1)", "(True, 1, 1)", "()"])
def test_arrays_that_claim_what_is_not_there(descr, shape):
    assert not loaders.golden(with_array("golden", "x", claim(descr, shape)))


@pytest.mark.parametrize("text", ['{"net_arch": {"n_LIF": ' + "1" * 5000 + "}}", "[" * 100_000, "1e999", "\U0010ffff", "\ud800"])
def test_json_in_a_golden_file(text):
    assert not loaders.golden(with_array("golden", "config_json", dict(loaders._arrays({"a": np.array(text)}))["a"]))


def test_an_archive_that_unpacks_to_more_than_it_could_hold_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("fxsim.files.archive.MAX_BYTES", 1000)
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros(10**6, np.uint8))
    with pytest.raises(InputError, match="1000128 bytes"):
        Archive(tmp_path / "bomb.npz")
    np.savez(tmp_path / "plain.npz", x=np.zeros(10**5, np.uint8))
    with Archive(tmp_path / "plain.npz") as plain:
        assert plain.array("x", "u", "bytes").size == 10**5


def nir_file(path):
    import nir

    from lava_backend.nir import graph_of
    nir.write(path, graph_of(loaders.training().network, loaders.training().config))
    return path


def test_nir_files_with_links_loops_and_claims(tmp_path, monkeypatch):
    import h5py

    from lava_backend.nir import import_nir
    monkeypatch.setattr("lava_backend.nir._require_readable", lambda path: None)

    def link(file):
        file["node/link"] = h5py.ExternalLink("/etc/hostname", "/")

    def loop(file):
        file["node/again"] = file["node"]

    def doubled(file):
        """Each group holds the one before ten times: ten thousand million groups from a few bytes."""
        for i in range(10):
            group = file.create_group(f"g{i}")
            for j in range(10):
                group[str(j)] = file[f"g{i - 1}"] if i else file["node/nodes"]
        file["node/many"] = file["g9"]

    def large(file):
        file.create_dataset("node/large", shape=(1 << 45,), dtype="u1", chunks=(1024,))

    def elsewhere(file):
        file.create_dataset("node/raw", shape=(8,), dtype="u1", external=[("/etc/hostname", 0, 8)])
    for change in (link, loop, doubled, large, elsewhere):
        path = nir_file(tmp_path / f"{change.__name__}.nir")
        with h5py.File(path, "a") as file:
            change(file)
        with pytest.raises(InputError, match="groups and arrays of at most"):
            import_nir(path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="no regular file"):
        import_nir(tmp_path / "fifo")


@pytest.mark.long
def test_a_nir_file_that_hdf5_never_comes_back_from(tmp_path, monkeypatch):
    """A fuzzer changed one heap of texts: HDF5 2.0 goes round in it for ever."""
    from lava_backend.nir import import_nir
    path = nir_file(tmp_path / "net.nir")
    assert import_nir(path)
    monkeypatch.setattr("lava_backend.nir.SECONDS", 10)
    data = path.read_bytes()
    heap = data.index(b"GCOL")
    path.write_bytes(data[:heap + 1512] + bytes(4096 - 1512) + data[heap + 4096:])
    with pytest.raises(InputError, match="nothing within 10 s|a NIR file"):
        import_nir(path)


def test_a_checkpoint_that_is_a_pipe_is_no_checkpoint(tmp_path):
    os.mkfifo(tmp_path / "iteration-000000001.ckpt")
    with pytest.raises(InputError, match="no regular file"):
        loaders.read(tmp_path / "iteration-000000001.ckpt", loaders.training())


def test_what_a_loader_may_not_do_is_seen(tmp_path):
    for act in (lambda: os.system("true"), lambda: (tmp_path / "x").write_text(""), lambda: os.mkdir(tmp_path / "y"), lambda: subprocess.run(["true"])):
        with pytest.raises(AssertionError, match="forbidden"):
            loaders.loads(act)

    def endless():
        raise InputError("file", "field", "found", "x" * 5000)
    with pytest.raises(AssertionError, match="no short line"):
        loaders.loads(endless)


def test_a_fuzzing_run_ends_with_its_table(tmp_path):
    """A second of it, if atheris is there."""
    pytest.importorskip("atheris", reason="atheris is not installed (extra fuzz)")
    done = subprocess.run([sys.executable, fuzz.__file__, "precision", "--seconds", "1", "--out", tmp_path], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and re.search(r"^\| `precision` \| [\d,]+ \| \d+ \| \d+ \| .*\| 0 \|$", done.stdout, re.M), done.stdout + done.stderr


@pytest.mark.parametrize("head", ["{b'descr': '<i8', 'fortran_order': False, 'shape': (3,), }", "{1: 2, 'shape': 3}", "{(): 0, '': 1}", "[1]", "{'descr': 3, 'fortran_order': False, 'shape': (3,), }",
                                  "{'descr': '<i8', 'fortran_order': 2, 'shape': 3, }"])
def test_a_header_whose_keys_numpy_cannot_sort(head):
    """Fuzzing found it: a TypeError."""
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + head.encode().ljust(117) + b"\n" + bytes(24)
    assert not loaders.events(with_array("events", "units", content))


def test_raw_archives_reach_the_loader_too():
    assert loaders.golden(archive(split(seeds("golden")[0])))


@pytest.mark.parametrize("code", [0x110000, 0xFFFFFFFF, 0xD800])
@pytest.mark.parametrize("order", "<>")
def test_text_of_numbers_that_are_no_characters_is_refused(tmp_path, code, order):
    """Fuzzing found it: numpy makes a string of them that Python cannot handle (SystemError)."""
    np.savez(tmp_path / "a.npz", config_json=np.array([0x7B, code], order + "u4").view(order + "U2").reshape(()), good=np.array("käse"))
    with Archive(tmp_path / "a.npz") as opened:
        assert opened.text("good") == "käse"
        with pytest.raises(InputError, match="no characters"):
            opened.text("config_json")
