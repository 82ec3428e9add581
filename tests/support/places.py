"""Where things of the project lie."""
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
GOLDEN, CORPUS, SUPPORT = TESTS / "golden", TESTS / "corpus", TESTS / "support"
