# Works from a fresh clone with Python 3.11 or later, make and a C compiler.
PYTHON ?= $(firstword $(foreach p,python3 python3.11 python3.12 python3.13,$(shell \
	$(p) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
BIN := .venv/bin
STAMP := .venv/.stamp

.PHONY: demo test run bench check
.DEFAULT_GOAL := demo

demo: $(STAMP)
	$(BIN)/voipsms demo

test: $(STAMP)
	scripts/install-debian.sh
	$(BIN)/python -m pytest

run: $(STAMP) config.ini
	$(BIN)/voipsms --config config.ini run

bench: $(STAMP)
	scripts/install-debian.sh
	$(BIN)/python -m bench

check: $(STAMP)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py
	$(BIN)/python -c 'from voipsms.config import example_file; print(example_file(), end="")' | diff -u config.ini.example -

config.ini.example: $(STAMP) voipsms/config.py voipsms/settings.py voipsms/gateway_settings.py voipsms/ini.py
	$(BIN)/python -c 'from voipsms.config import example_file; print(example_file(), end="")' >$@.new
	mv $@.new $@

config.ini:
	cp config.ini.example $@
	@echo "config.ini is a copy of config.ini.example: set smsurl in it, then make run again." >&2; exit 1

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed, with its venv module." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@
