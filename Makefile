# make train   train the small model on generated images, print its AP, draw predictions
# make test    run the tests; the long ones are left out
# make test-all  run all tests but those marked slow, which take hours
# make lint    check style and types
# make docs    build the docs site in site/, and fail at a broken link or reference
# make env     only make the environment in .venv; the others do it by themselves
# make clean   remove the environment and what the tools cache
#
# PYTHON=python3.12 chooses the interpreter (3.10 to 3.13) that .venv is made with.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
STAMP := $(VENV)/.up-to-date

.PHONY: env train test test-all lint docs clean

train: $(STAMP)
	$(RUN) tools/quickstart.py

# two processes of one thread each take about 60% of the time of one process of two threads
test: $(STAMP)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist worksteal

# installations, several processes, resuming, kills, exports, the notebook, benchmarks
test-all: test
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "long and not slow"

lint: $(STAMP)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

env: $(STAMP)

$(STAMP): requirements.txt setup.py pyproject.toml condinst.pth _condinst_startup.py
ifeq ($(UV),)
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -r requirements.txt -e ".[dev]"
else
	test -x $(RUN) || uv venv --python $(PYTHON) $(VENV)
	uv pip install --python $(RUN) -r requirements.txt -e ".[dev]"
endif
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache build dist site condinst.egg-info
