# make demo       set up .venv, train two small populations and compare them
# make test       set up .venv with the test extra, run linter, type checker and tests
# make faults     kill, hang, fill up and preempt real runs, here and on a SLURM cluster of its own
#                  (faults-here and faults-slurm: one of these two)
# make format     bring the code into its one form
# make benchmark  time everything against its peer, over an hour on two quiet cores
# make gpu        examine the package on a GPU, at most 8 minutes (docs/gpu.md); needs PYTHON to have torch

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test faults faults-here faults-slurm format benchmark gpu clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	$(BIN)/python scripts/sample_and_train.py experiment=demo -m space=anynetx_c,regnetx interleave=true
	$(BIN)/python scripts/analyze.py study=demo

test: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --ignore=tests/faults --ignore=tests/slurm -n 2 --dist=loadfile

faults: $(VENV)/installed-test  # both at once: the cluster's tests mostly wait
	$(MAKE) --jobs=2 --output-sync faults-here faults-slurm

faults-here: $(VENV)/installed-test
	$(BIN)/pytest tests/faults/test_local.py

faults-slurm: $(VENV)/installed-test
	$(BIN)/pytest tests/faults/test_slurm.py tests/slurm

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(VENV)/installed-test
	$(BIN)/python scripts/benchmark/all.py

# With the Python of the machine, whose torch fits its card; what it lacks comes from wheels/ (scripts/gpu/wheels.sh).
gpu:
	rm -rf build/gpu && mkdir -p build/gpu
	for wheel in wheels/*.whl; do test ! -e "$$wheel" || $(PYTHON) -m zipfile -e "$$wheel" build/gpu; done
	PYTHONPATH=$(CURDIR)/build/gpu $(PYTHON) scripts/gpu/examine.py $(GPU)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@ $(VENV)/installed
