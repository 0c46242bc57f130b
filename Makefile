# Everything runs in .venv, which the first target makes. `make help` lists the targets.

# The first of these that is 3.11 or newer is used.
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
# What a target hands on: make demo ARGS=--once, make test ARGS="-k planning"
ARGS ?=

BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help demo test lint package bench

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1	\2/p' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS='	' read -r target what; do printf '%-10s %s\n' "$$target" "$$what"; done

demo: $(READY) ## a clinic's reminders on your own machine; ARGS=--once prints and ends
	@$(BIN)/python -m reminders demo $(ARGS)

test: $(READY) ## every test that needs nothing but Python
	@$(BIN)/python -m pytest $(ARGS)

lint: $(READY) ## style, types, who may import whom, message templates
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/unit/test_arrows.py
	@$(BIN)/python -m reminders lint

package: $(READY) ## build/package: what AWS gets, ready for CloudFormation
	@$(BIN)/python -m local.package

bench: $(READY) ## speed and size, a JSON object a line
	@$(BIN)/python -m local.bench $(ARGS)

# Chalice packages with the pip of this environment and breaks from 26.3 on.
$(READY): requirements.txt requirements-dev.txt
	@for python in $(PYTHON); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "Python 3.11 or newer is needed, and none of these is: $(PYTHON)" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$found cannot make virtual environments; on Debian or Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Setting up .venv with $$("$$found" --version), once; this takes a minute or two." >&2; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || "$$found" -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip<26.3'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
