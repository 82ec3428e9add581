"""Whatever is wrong with a checkpoint is found and said in one line, or the one before is used."""
import io
import random

import numpy as np
from click.testing import CliRunner

import fxsim
from fxsim import InputError
from fxsim.cli.main import main
from fxsim.training.checkpoints import ADDED, _header

from checkpointed import checkpoints, files, packed, quick, replaced, restored, rewritten, same_runs, sets


# ---- files that are damaged ----------------------------------------------------------------------------------------
def test_truncated_and_flipped_checkpoints_are_found_and_the_one_before_is_used(copy, training):
    newest, rng = files(copy)[0], random.Random(1)
    data = newest.read_bytes()
    sizes = [*range(0, 120, 7), *(rng.randrange(len(data)) for _ in range(60)), len(data) - 1]
    bits = [*range(0, 8 * 100, 5), *(rng.randrange(8 * len(data)) for _ in range(150)), 8 * len(data) - 1]
    damaged = [data[:size] for size in sizes] + [data + b"\0", b"\n" + data]
    for bit in bits:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for content in damaged:
        newest.write_bytes(content)
        iteration, said = restored(copy, training)
        assert iteration == 4 and said[0] == f"{newest}: found damaged: its SHA-256 is not that of its content; using the checkpoint before it"
        assert said[1].startswith("resuming at iteration 4 (") and len(said) == 2
    newest.write_bytes(data)
    assert restored(copy, training)[0] == 5


def test_a_run_goes_on_from_the_checkpoint_before(copy, undisturbed, capfd):
    files(copy)[0].write_bytes(files(copy)[0].read_bytes()[:-100])
    fxsim.train(quick(), copy, resume=True)
    assert "damaged" in capfd.readouterr().err
    same_runs(undisturbed, copy)


def test_what_is_damaged_is_removed_once_training_went_on(copy, training):
    files(copy)[0].write_bytes(b"")
    kept = checkpoints(copy, every=0)
    kept.restore(training, lambda line: None)
    training.update(training.task.training_trials(4))
    kept.offer(training)
    kept.flush()
    assert restored(copy, training) == (5, [f"resuming at iteration 5 ({files(copy)[0]})"])
    assert [int(p.stem[-9:]) for p in files(copy)] == [5, 4]


def test_if_both_are_damaged_the_file_is_named_and_what_to_do(copy, training):
    newest, before = files(copy)
    newest.write_bytes(b"x" + newest.read_bytes())
    before.write_bytes(before.read_bytes()[:-1])
    result = CliRunner().invoke(main, ["train", "delayed_match", "--out", str(copy), "--resume", *sets()])
    assert result.exit_code == 2 and result.stderr == (
        f"{newest}: found damaged: its SHA-256 is not that of its content; the one before cannot be used either, "
        f"allowed: an undamaged checkpoint (to start anew, delete {copy / 'checkpoints'})\n")


# ---- files that are hostile: the checksum is right, the content is not -----------------------------------------------


def harmless(directory, content, training):
    """Put ``content`` in the place of the newest checkpoint: an InputError of one line, or one of the two states, complete."""
    files(directory)[0].write_bytes(content)
    try:
        iteration, said = restored(directory, training)
    except InputError as error:
        assert "\n" not in str(error) and ".ckpt" in str(error) and len(str(error)) < 2000
        return "refused"
    assert iteration in (4, 5) and all("\n" not in line for line in said) and len(said) == 6 - iteration
    return {4: "the one before", 5: "accepted"}[iteration]


def places(data, path=()):
    """Paths of all mappings, values, and the first items of lists, without numbers that equal True."""
    if data != 1:
        yield path
    items = data.items() if isinstance(data, dict) else enumerate(data[:3]) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


HOSTILE = ["gone", None, -1, 10**400, 1.5, True, float("nan"), "x" * 5000, "line\nbreak", [], [[]], {}, {"a": {"b": 1}}]


def test_hostile_json_ends_in_one_line_or_the_checkpoint_before(copy, training):
    data, rng, ends, found = files(copy)[0].read_bytes(), random.Random(2), {}, []
    rewritten(data, lambda meta: found.extend(places(meta)) or meta)
    free = {("config", "threads"), ("config", "checkpoint"), ("config", "checkpoint", "every"), ("config", "engine"), ("engine",), ("seconds",),
            ("config", "iterations"), *(("config", "task", field) for field in ADDED), ("config", "initial"), ("config", "learning", "memory_mib"),
                ("data",)}
    for path in found:
        for value in rng.sample(HOSTILE, 3):
            end = harmless(copy, rewritten(data, lambda meta: replaced(meta, path, value)), training)       # noqa: B023 (called at once)
            ends[end] = ends.get(end, 0) + 1
            # accepted are values of one measurement, and what may differ between configurations
            unchanged = path == ("config", "formats") and value == {}        # no formats, as before
            assert end != "accepted" or path in free or path[0] in ("curves", "telemetry") or unchanged, (path, value)
    assert ends["refused"] > 50 and ends["the one before"] > 50


def test_deep_and_broken_json_ends_in_the_checkpoint_before(copy, training):
    data = files(copy)[0].read_bytes()
    with np.load(io.BytesIO(data[data.index(b"\n") + 1:])) as archive:
        arrays = dict(archive)
    for text in (b"[" * 100_000, b'{"a":' * 100_000, b"", b"\xff\xfe", b"{", b"1" * 10_000, b'{"format": 2}', arrays["meta"].tobytes()[:-9]):
        assert harmless(copy, packed({**arrays, "meta": np.frombuffer(text, np.uint8)}), training) == "the one before"


def test_hostile_arrays_end_in_the_checkpoint_before(copy, training):
    data = files(copy)[0].read_bytes()
    with np.load(io.BytesIO(data[data.index(b"\n") + 1:])) as archive:
        arrays = dict(archive)
    bad = {"removed": lambda a: None, "shorter": lambda a: a.ravel()[:-1], "deeper": lambda a: a[None], "text": lambda a: np.array("x"),
           "complex": lambda a: a.astype(complex), "small": lambda a: a.astype(np.float16), "swapped": lambda a: a.astype(">i8" if a.dtype.kind == "i" else ">f8"),
           "structured": lambda a: np.zeros(a.shape, [("a", "i8")]), "other": lambda a: a + 1 if a.dtype.kind in "iu" else np.full_like(a, np.nan)}
    for name, array in arrays.items():
        for kind, harm in bad.items():
            changed = {**arrays, name: harm(array)}
            if kind == "removed":
                del changed[name]
            end = harmless(copy, packed(changed), training)
            assert end == "the one before" or (kind == "other" and "master" in name) or ("initial" in name and end == "refused"), (name, kind, end)
    ends = {}
    for value in (-1, 1e149, 1e300, np.finfo(float).max):
        for kind in "if":
            huge = np.clip(value, -2**63, 2**63 - 1024) if kind == "i" else value
            changed = {name: np.full_like(a, huge) if a.dtype.kind == kind and a.ndim and "optimizer" in name else a for name, a in arrays.items()}
            ends[value, kind] = harmless(copy, packed(changed), training)
            training.update(training.task.training_trials(training.iteration))      # weights clip
    assert ends[1e149, "f"] == ends[-1, "i"] == "accepted" and ends[-1, "f"] == ends[1e300, "f"] == "the one before"
    bomb = packed({**arrays, "more": np.zeros(10**8, np.uint8)}, np.savez_compressed)
    assert harmless(copy, bomb, training) == "the one before"
    pickled = packed({**arrays, "optimizer_m_in": np.array([print], object)})
    assert harmless(copy, pickled, training) == "the one before"


def test_hostile_archives_end_in_the_checkpoint_before(copy, training):
    """Bytes anywhere in the archive are changed, cut out and doubled, under a right checksum."""
    data, rng, ends = files(copy)[0].read_bytes(), random.Random(3), {}
    content = data[data.index(b"\n") + 1:]
    directory = content.index(b"PK\1\2")         # the table of contents, where most damage is possible
    for turn in range(400):
        mutated = bytearray(content)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(directory if turn % 2 else 0, len(mutated))
            if rng.random() < 0.7:
                mutated[at] = rng.randrange(256)
            elif rng.random() < 0.5:
                del mutated[at:at + rng.randrange(1, 40)]
            else:
                mutated[at:at] = mutated[at:at + rng.randrange(1, 40)]
        end = harmless(copy, _header(bytes(mutated)) + mutated, training)
        ends[end] = ends.get(end, 0) + 1
    assert ends["the one before"] > 200


def test_a_checkpoint_of_before_a_field_existed_goes_on(copy, training):
    data = files(copy)[0].read_bytes()

    def older(meta):
        del meta["config"]["task"]["decision_delay"], meta["data"]
        return meta
    assert harmless(copy, rewritten(data, older), training) == "accepted"
