"""Broken versions of a valid document, for property-based tests of loaders."""
import copy

from hypothesis import strategies as st

EXTREME = (None, True, 0, -1, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", "..", "../../x", "/dev/zero", "\x00", "a" * 5000, "q16", "!!python/name:os.system",
           [], {}, [[]], [None], {"": 0}, {"word_bits": 10**9}, [0] * 50)
VALUES = st.one_of(st.sampled_from(EXTREME), st.integers(), st.floats(), st.text(max_size=8), st.dictionaries(st.text(max_size=5), st.integers(), max_size=2))


def places(data, path=()):
    """Paths of all nodes of nested mappings and lists, the root's first."""
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def mutated(document):
    """A strategy: ``document`` with one to three nodes replaced, removed, added or swapped."""
    paths = list(places(document))

    @st.composite
    def one(draw):
        data = copy.deepcopy(document)
        for _ in range(draw(st.integers(1, 3))):
            path, value = draw(st.sampled_from(paths)), copy.deepcopy(draw(VALUES))
            if not path:
                continue
            parent = data
            try:
                for key in path[:-1]:
                    parent = parent[key]
                action = draw(st.sampled_from(["replace", "remove", "add"]))
                if action == "replace":
                    parent[path[-1]] = value
                elif action == "remove":
                    del parent[path[-1]]
                elif isinstance(parent, dict):
                    parent[draw(st.text(max_size=6))] = value
                else:
                    parent.append(value)
            except (KeyError, IndexError, TypeError, AttributeError):       # an earlier mutation took the place away
                continue
        return data
    return one()


def damaged(data):
    """A strategy: bytes with some flipped, cut off or inserted."""
    def damage(edits):
        out = bytearray(data)
        for kind, where, value in edits:
            at = where % max(1, len(out))
            if kind == "flip" and out:
                out[at] ^= value or 1
            elif kind == "cut":
                del out[at:]
            else:
                out[at:at] = bytes([value]) * 7
        return bytes(out)
    return st.lists(st.tuples(st.sampled_from(["flip", "flip", "flip", "cut", "insert"]), st.integers(0, 2**31), st.integers(0, 255)), min_size=1, max_size=5).map(damage)
