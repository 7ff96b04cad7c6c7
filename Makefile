# Two commands: `make demo` shows what leannet does, `make test` proves it. Each sets itself up in .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all lint docs tour docs-check clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,deploy,litert,serve,detect,search,video]'
	touch $@

demo: .venv/ready
	$(BIN)/leannet demo

# Two processes; the tests of a file stay together, for what they share is made once.
test: lint
	$(BIN)/pytest -n 2 --dist loadfile

# Every network of the zoo in every format and engine, under an hour.
test-all: .venv/ready
	$(BIN)/pytest -n 2 -m everything

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Writes docs/ anew where it is made from the source: tables from the rows, settings, the API from the docstrings.
docs: .venv/ready
	$(BIN)/python docs/write_tables.py
	$(BIN)/python docs/write_settings.py
	$(BIN)/python docs/write_api.py

# Runs docs/tour.ipynb and writes what its cells show.
tour: .venv/ready
	$(BIN)/python docs/write_tour.py

# Runs every command and snippet of README and docs/ as printed, on small data: about half an hour.
docs-check: .venv/ready
	$(BIN)/python docs/run_snippets.py

clean:
	rm -rf .venv build dist
