"""Checks that hold the implementations of the model against outside vectors and against each other.

* :mod:`.golden` float implementations against files computed by another program (:mod:`.golden_case` reads them)
* :mod:`.doctor` what this machine offers, and one engine against the oracle
"""
