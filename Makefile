# Everything one types by hand, as one word each. Python 3.11 or 3.12; no compiler, no system packages.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet -c constraints.txt

.PHONY: setup demo test test-slow check story experiments bench clean

$(BIN)/dd3g: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[demo]'
	@touch $@

$(VENV)/dev: $(BIN)/dd3g
	$(PIP) -e '.[dev]'
	@touch $@

setup: $(VENV)/dev ## everything that developing needs

demo: $(BIN)/dd3g ## a photograph of a coffee cup to a splat: demo/coffee.ply, .mp4, .png
	$(BIN)/dd3g generate "$$($(BIN)/python -c 'import pathlib, skimage; print(pathlib.Path(skimage.__file__).parent / "data" / "coffee.png")')" --out demo
	@echo "look at demo/coffee.png and demo/coffee.mp4; drop demo/coffee.ply into a splat viewer"

test: $(VENV)/dev ## all tests under 8 minutes on 2 cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-slow: $(VENV)/dev ## what takes longer: overfitting, long runs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow --numprocesses auto --maxprocesses 2 --dist load

check: $(VENV)/dev ## format, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/basedpyright

story: $(VENV)/dev ## the whole factory at its least size, only to see that it runs: a minute
	rm -rf out/story && DD3G_SCALE=0.01 runs/tiny.sh out/story

experiments: $(VENV)/dev ## the paper's questions at their least size: does every one run? minutes
	$(BIN)/dd3g experiment all --scale tiny --out out/experiments

bench: $(VENV)/dev ## speed and memory, as tables
	$(BIN)/python benchmarks/rasterizer.py
	$(BIN)/python benchmarks/generate.py

clean:
	rm -rf $(VENV) demo .pytest_cache .ruff_cache
