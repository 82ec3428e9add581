# make demo   set up, train the main comparison, leave reports/demo/report.html
# make test   set up and run the tests;  make test-long  those that take long
# make bench  seconds per training iteration (reports/performance/bench.json), latency, scaling (reports/scaling), CUDA kernels
# make fuzz   5 minutes of coverage-guided fuzzing for every loader (FUZZ_SECONDS=60: a minute); see docs/robustness.md
# make gpu    check and time the CUDA engine on this machine's GPU (reports/gpu); make gpu-wheels: what that needs where there is no network
# make pages  tables of README.md and reports/*/README.md, anew from the data
# make docs   the pages of docs/ and the public interface from its docstrings, as HTML (build/docs)
# make mutants  deliberate faults that the tests must find; its score is tests/mutants/score.md
# make env    only set up (.venv);  make lint  ruff, imports, mypy, docs without a warning;  make wheels  build and try them;  make clean  remove environments

SHELL := /bin/bash
BIN := .venv/bin
PYTHON310 := $(shell ./.ci/find-python 3.10)
PYTHON_NEW := $(shell ./.ci/find-python 3.12 3.13)
PYTHON_ANY := $(or $(PYTHON310),$(PYTHON_NEW),$(shell ./.ci/find-python 3.11))
DOCS := $(BIN)/python -m sphinx -q -W --keep-going docs build/docs       # a warning, a link that leads nowhere among them, is an error
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: docs env demo test test-quick test-long test-core bench pages gpu gpu-wheels fuzz mutants lint wheels clean

env: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	@if [ -z "$(PYTHON_ANY)" ]; then echo "No Python 3.10 found. Install one (for example: uv python install 3.10, or pyenv install 3.10) and run make again." >&2; exit 1; fi
	@if [ -z "$(PYTHON310)" ]; then echo "No Python 3.10 found: using $(PYTHON_ANY), everything but Lava (lava-nc 0.10 needs 3.10; get one with: uv python install 3.10)"; fi
	$(PYTHON_ANY) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[reference,lava,nir,cuda,cluster,docs,dev]"
	@touch $@

demo: env
	$(BIN)/fxsim demo --out reports/demo

PYTEST = $(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal -q

test: lint test-quick test-core

test-quick: env
	$(PYTEST) -m "not long"

# More cases of what make test asks of one, and what runs whole: every command of the README and of the guides, the CUDA kernels through simulator and assembler.
test-long: env
	$(PYTEST) -m long

# The same package without torch and Lava, on a newer Python with numpy 2: formats, engines and files.
test-core:
	@if [ -z "$(PYTHON_NEW)" ]; then echo "No Python 3.12 or 3.13 found: the core tests on a newer Python are left out"; \
	else $(MAKE) --no-print-directory .venv-core/.ready && echo "core tests on $$(.venv-core/bin/python --version)" \
	  && $(ONE_THREAD) FXSIM_CACHE_DIR=.venv-core/cache .venv-core/bin/python -m pytest -q -n 2 -m "core and not long"; fi

.venv-core/.ready: pyproject.toml constraints.txt
	$(PYTHON_NEW) -m venv .venv-core
	.venv-core/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

bench: env
	$(BIN)/fxsim bench iteration --json reports/performance/bench.json
	$(BIN)/fxsim bench twins
	$(BIN)/fxsim bench profile
	$(BIN)/fxsim bench latency
	$(BIN)/fxsim bench run
	$(BIN)/fxsim bench scaling --out reports/scaling
	$(BIN)/fxsim bench compile

# On a machine with a GPU, its driver, and a Python 3.12 that has numba-cuda and the larger of our dependencies.
GPU_PYTHON ?= python3
GPU_WHEELS ?= gpu-wheels

gpu:
	@if ls $(GPU_WHEELS)/*.whl >/dev/null 2>&1; then $(GPU_PYTHON) -m pip install --quiet --no-index --no-deps --upgrade --target .gpu-site $(GPU_WHEELS)/*.whl; fi
	PYTHONPATH=.gpu-site:. $(GPU_PYTHON) -c "from fxsim.cli.main import main; main()" verify gpu

# numba-cuda 0.30 does not import beside numpy 2.5.
gpu-wheels: env
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --only-binary=:all: --python-version 3.12 --implementation cp \
	  $(foreach tag,manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014,--platform $(tag)_x86_64) -d $(GPU_WHEELS) pydantic platformdirs "numpy<2.5"

fuzz: env
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[fuzz]"
	$(ONE_THREAD) $(BIN)/python tests/support/fuzzing/fuzz.py --seconds $(or $(FUZZ_SECONDS),300)

pages: env
	$(BIN)/python reports/pages/pages.py

# Deliberate faults, one after the other, and the tests that must fail; less than an hour. After make test.
mutants: env
	$(ONE_THREAD) $(BIN)/python tests/mutants/mutants.py --out tests/mutants/score.md

lint: env
	$(BIN)/python -m ruff check fxsim quant lava_backend tests reports/pages
	$(BIN)/lint-imports
	$(BIN)/python -m mypy
	$(DOCS)

docs: env
	$(DOCS)
	@echo "written: build/docs/README.html"

# sdist and wheel, installed and run in fresh environments of Python 3.10, 3.12 and 3.13.
wheels:
	./.ci/wheels

clean:
	rm -rf .venv .venv-core
