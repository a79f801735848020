# Four commands. `make demo` and `make test` work on a fresh machine with Python 3.11+, pip and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Two OpenMP threads that spin beside another process collapse (1142 → 6 tokens/s measured): let them sleep instead.
export OMP_WAIT_POLICY ?= PASSIVE
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test test-slow check

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"GRAFT needs Python 3.11 or newer; $(PYTHON) is {sys.version.split()[0]}. Try: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): a few minutes and 2 GB (several more with the CUDA build of PyTorch)"
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/graft build examples/handbook
	$(BIN)/graft compare examples/handbook
	$(BIN)/graft recommend examples/handbook

# Two processes, one thread each: a file's tests stay together, so that what they share is made once.
test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow --timeout=900

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
