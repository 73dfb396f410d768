# What can be done here. `make` alone prints this list; every target installs what it needs first.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
SOURCE ?= kafka

# Whatever the shell says: a process that finds its bytecode starts in half the time, and here many are started.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install up demo year test check format bench bench-long crash replay verify lock clean

help: ## Print this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

install: $(VENV)/.installed ## Install everything into .venv, each package checked by its hash

$(VENV)/.installed: requirements.lock requirements-installer.lock
	@$(PYTHON) -c 'import sys; sys.exit("Tillstream needs Python 3.11 or newer; say which with PYTHON=python3.12." if sys.version_info < (3, 11) else 0)'
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV) || { echo "The venv module is missing (on Debian and Ubuntu: the package python3-venv)." >&2; exit 1; }
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-installer.lock
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --require-hashes -r requirements.lock
	@touch $@

up: install ## Start everything here and run until Ctrl-C (--port: TILLSTREAM_PORT, --data: TILLSTREAM_DATA)
	@exec $(RUN) -m sandbox up

demo: install ## Take one payment through the running parts, print what happened, leave
	@exec $(RUN) -m sandbox demo

year: install ## Live through a year of one subscription in some seconds, and print its audit trail
	@exec $(RUN) -m sandbox year

test: install ## Run every test on real Postgres and real Kafka
	@rm -f .coverage .coverage.*
	@test -d .pytest_cache || $(RUN) -m pytest --collect-only -qq >/dev/null || true # or each worker compiles all tests for itself
	$(RUN) -m pytest -n 4 --dist worksteal --cov --cov-report=
	@$(VENV)/bin/coverage report --include='domain/*,commands/*' --fail-under=95

check: install ## Format, lint, types, import rules, contracts: the same list as in CI and before a commit
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/lint-imports --no-cache
	$(RUN) -m schemas check
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

format: install ## Format the code and mend what the linter can mend
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: install ## Measure, as ratios of runs side by side
	@exec $(RUN) -m benchmarks

bench-long: install ## Measure what takes half an hour: millions of facts, and the way from nothing
	@$(RUN) -m benchmarks arriving long
	@exec $(RUN) -m benchmarks beside --rounds 1

crash: install ## Kill, freeze, cut off and double every part in a hundred seeded runs; about half an hour (RUNS=, SEED=, COMMANDS=)
	@exec $(RUN) -m tests.crash $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED)) $(if $(COMMANDS),--commands $(COMMANDS))

replay: install ## Rebuild every read model of the running platform beside the live one (SOURCE=kafka or store)
	@test -f .run/env || { echo "Nothing is running here; start it with: make up" >&2; exit 1; }
	@set -a; . ./.run/env; set +a; exec $(RUN) -m projections replay --all --source $(SOURCE)

verify: install ## Walk along the hash chain of the running platform's store and Kafka, and name what is wrong
	@test -f .run/env || { echo "Nothing is running here; start it with: make up" >&2; exit 1; }
	@set -a; . ./.run/env; set +a; exec $(RUN) -m commands verify

lock: install ## Resolve the pinned packages anew into requirements.lock
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		pyproject.toml --group sandbox --group dev -o requirements.lock
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		pyproject.toml -o requirements-service.lock
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--group lookalike -o requirements-lookalike.lock

clean: ## Remove what running and testing left here, the platform's data included
	rm -rf .run .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
