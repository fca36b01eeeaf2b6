PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_WORKERS ?= 2
DEMO ?= demo

.PHONY: setup demo test check bench locale docs clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# Real sea-surface temperature, from the package iris-sample-data.
demo: $(STAMP)
	rm -rf $(DEMO) && mkdir -p $(DEMO)
	cd $(DEMO) && $(CURDIR)/$(BIN)/srwizard prepare \
		"$$($(CURDIR)/$(BIN)/python -c 'import iris_sample_data as d; print(d.path)')/ostia_monthly.nc" \
		--variable surface_temperature --name temp --scale 2 --split 0.7/0.15/0.15 -o data
	cd $(DEMO) && $(CURDIR)/$(BIN)/srwizard --answers $(CURDIR)/examples/demo.yaml

test: $(STAMP)
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS)

# The package directories are mapped (models/ -> srwizard.models), which type checkers do not
# follow in an editable install: check what a wheel would install instead.
check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf .check build && $(BIN)/python -m pip install --quiet --no-deps --target .check .
	MYPYPATH=.check $(BIN)/mypy -p srwizard

bench: $(STAMP)
	$(BIN)/python -m bench

docs: $(STAMP)
	$(BIN)/python -m srwizard.diagram > docs/states.md

locale: $(STAMP)
	$(BIN)/pybabel -q extract -k translate -k _ --no-location --sort-output -o srwizard/locale/srwizard.pot srwizard states models
	$(BIN)/pybabel -q update -N --no-fuzzy-matching -i srwizard/locale/srwizard.pot -d srwizard/locale -D srwizard -l zh_CN
	$(BIN)/pybabel -q compile -d srwizard/locale -D srwizard

clean:
	rm -rf $(VENV) .check build demo *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
