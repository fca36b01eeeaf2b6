PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_WORKERS ?= $(shell expr $$(nproc) + 1)
DEMO ?= demo
LOCALE := srwizard/locale

.PHONY: setup demo test test-fast test-gpu test-long check bench bench-gpu bench-recipes bench-zoo locale docs \
	site clean

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

# A file stays with one process, and so do the runs that its tests share. The longest files come first
# (tests/selection.py); while they wait for other programs, one process more than there are cores works.
test: $(STAMP)
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder

# Between two edits: every part of the program, in a minute on two idle cores.
test-fast: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder \
		-m "not slow and not broad"

# On one card, in less than eight minutes; skipped with a notice where there is none. The tables of
# predicted and measured memory are printed.
test-gpu: $(STAMP)
	$(BIN)/python -m pytest tests/gpu -m gpu -rsP --durations=10

# What is tried a few times in the other tests, tried thousands of times: hours on two cores. Each test
# adds a line to test-long.txt; docs/robustness.md has the figures of the last run. In parts:
# make test-long ONLY="signal and predict and part-0"
ONLY ?=
test-long: $(STAMP)
	$(BIN)/python -m pytest -m long tests/robustness -k "$(ONLY)"

# The package directories are mapped (models/ -> srwizard.models), which type checkers do not
# follow in an editable install: check what a wheel would install instead.
check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf .check build && $(BIN)/python -m pip install --quiet --no-deps --target .check .
	cd .check && ../$(BIN)/mypy --config-file ../pyproject.toml --cache-dir ../.mypy_cache/wheel -p srwizard

bench: $(STAMP)
	$(BIN)/python -m bench

# On one card, in less than eight minutes, for docs/gpu-figures.md.
bench-gpu: $(STAMP)
	$(BIN)/python -m bench.gpu

# Trains every model on two datasets, for the table in docs/zoo.md: a quarter of an hour on two cores.
bench-zoo: $(STAMP)
	$(BIN)/python -m bench.zoo --write

# Every model at eight learning rates on two datasets, for docs/recipe.md: an hour on two cores.
bench-recipes: $(STAMP)
	$(BIN)/python -m bench.recipes --write

docs: $(STAMP)
	$(BIN)/python -m srwizard.wizard.diagram > docs/states.md
	$(BIN)/python -m srwizard.settings.reference en > docs/answers.md
	$(BIN)/python -m srwizard.settings.reference zh > docs/zh/answers.md

site: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# No dates and no line numbers: the same sources give the same catalogues.
locale: $(STAMP)
	$(BIN)/pybabel -q extract --no-default-keywords -k _ -k translate -k _n:1,2 -k translate_count:1,2 -k N_ -k NN_:1,2 --no-location \
		--sort-output --omit-header --width 100 -o $(LOCALE)/srwizard.pot srwizard states models
	test -f $(LOCALE)/zh_CN/LC_MESSAGES/srwizard.po || \
		$(BIN)/pybabel -q init -i $(LOCALE)/srwizard.pot -d $(LOCALE) -D srwizard -l zh_CN
	$(BIN)/pybabel -q update --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date \
		--width 100 -i $(LOCALE)/srwizard.pot -d $(LOCALE) -D srwizard -l zh_CN
	# Not "pybabel compile": it takes "95 % interval" for a placeholder. Texts have braces.
	$(BIN)/python -c "from babel.messages import mofile, pofile; \
		path = '$(LOCALE)/zh_CN/LC_MESSAGES/srwizard'; \
		mofile.write_mo(open(path + '.mo', 'wb'), pofile.read_po(open(path + '.po', 'rb')))"

clean:
	rm -rf $(VENV) .check build demo site *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
