"""What `make test` leaves to `make test-long`."""
import pytest


def first_quick(cases):
    """Cases for parametrize, of which the first is in every run; the others, which ask the same of other values, have the marker long."""
    first, *others = cases
    return [first, *(pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long) for case in others)]
