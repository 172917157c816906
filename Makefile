# make quickstart   install without extras, then learn to read drawn numbers (CPU, minutes)
# make test         install, then run all tests
# make test-lowest  the tests with the lowest versions that pyproject.toml allows, in an environment of their own
# make test-slow    the tests that take minutes: the quickstart, a killed run, and two ranks
# make bench        install, then measure for some minutes; writes docs/performance.md
# make reference    write docs/parts.md anew, after a part or its documentation changed
# make examples     install, then install wheels elsewhere, train with plugins and test them
# make docs         install, then build the documentation as a site, and look at every page in headless Chromium
# make lint         install, then ruff, mypy and import-linter
# make format       put the code into its canonical form

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
LOWEST ?= .venv-lowest

.PHONY: quickstart test test-lowest test-slow examples bench reference docs lint format clean

quickstart: $(VENV)/installed
	$(BIN)/remgcl run recipes/quickstart.toml

test: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-lowest:
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --editable . --group test
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n 2 --dist loadfile -W ignore::DeprecationWarning  # of old libraries

test-slow: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n 2 --dist worksteal -rP tests/test_quickstart.py tests  # the longest first

examples: $(VENV)/installed-test
	examples/ci.sh $(BIN)/python

bench: $(VENV)/installed
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m bench

reference: $(VENV)/installed-test
	$(BIN)/remgcl parts --markdown > docs/parts.md

docs: $(VENV)/installed-docs docs/javascripts/mermaid.min.js
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	$(BIN)/python docs/site/look.py build/site build/pictures

docs/javascripts/mermaid.min.js:
	npm install --silent --no-save --prefix build/npm mermaid@11
	mkdir -p docs/javascripts
	cp build/npm/node_modules/mermaid/dist/mermaid.min.js $@

lint: $(VENV)/installed-lint $(VENV)/installed-test  # mypy reads the libraries of all parts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(LOWEST) runs dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-%: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group $*
	touch $@
