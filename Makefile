# Everything a developer runs. `make` alone lists it. Needs python3 (3.11 or newer), python3-venv and make; the rest comes by itself.

PYTHON ?= python3
BIN    := .venv/bin
LOCK   := requirements/requirements.lock

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help .venv demo shop test test-long checks kernels format generate lock clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

# ---------- environment ----------

.venv: .venv/installed ## the environment, from the locked and hashed requirements (once; later runs need no network)

.venv/installed: $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "python3 3.11 or newer is needed: apt-get install python3, or make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "the module venv is needed: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing $$(grep -c '==' $(LOCK)) packages into .venv: once, about a minute, 0.8 GB ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --require-hashes --only-binary :all: --requirement $(LOCK)
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

# ---------- to see it work ----------

demo: .venv/installed ## real baskets through four channels, decisions compared byte by byte
	@$(BIN)/python -m benchmarks.demo

shop: .venv/installed ## serve the example shop and show calls to try
	@$(BIN)/python -m benchmarks.shop

# ---------- to know that it works ----------

# $(call check,HEADING,TOOL,ARGUMENTS): a heading, then the tool; a missing tool is said loudly and fails.
define check
	@printf '\n== %s ==\n' "$(1)"
	@if [ -x $(BIN)/$(2) ]; then $(BIN)/$(2) $(3); \
	 else echo "NOT RUN: $(1), for $(BIN)/$(2) is missing. Try: make clean test" >&2; exit 1; fi
endef

PYTEST = -n 3 --dist loadfile --no-loadscope-reorder
unexport PYTHONDONTWRITEBYTECODE # tests start some hundred processes: none should compile the sources again

# The engine compiles in the background, about a minute once per version, while format, lint and types are checked and
# while tests run that need none of it. Those that do wait for it, and say why where it failed.
checks: .venv/installed
	@$(BIN)/python -m server.kernels >/dev/null 2>&1 &
	$(call check,format,ruff,format --check .)
	$(call check,lint,ruff,check .)
	$(call check,types,mypy,)
	$(call check,import contracts,lint-imports,--no-logo)
	$(call check,generated code,python,proto/generate.py --check)

test: checks ## format, lint, types, import contracts, generated code, then every test that fits its budget (tests/README.md)
	$(call check,tests,pytest,$(PYTEST))

test-long: checks ## the same, with the long forms of the tests
	$(call check,tests in their long form,pytest,$(PYTEST) -m '')

kernels: .venv/installed ## compile the engine for this machine now: about a minute, once per version
	@$(BIN)/python -m server.kernels

# ---------- to change it ----------

format: .venv/installed ## rewrite the sources in the one format and repair what lint can
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

generate: .venv/installed ## the Python of proto/, from its .proto files
	@$(BIN)/python proto/generate.py

lock: .venv/installed ## the newest versions that pyproject.toml allows, with their hashes
	@echo "Resolving: about five minutes ..."
	@$(BIN)/pip-compile --quiet --upgrade --all-extras --generate-hashes --strip-extras --allow-unsafe --annotation-style line \
	  --no-header --no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --output-file $(LOCK) pyproject.toml
	@sed -i '1i # Written by `make lock` from pyproject.toml; installs on CPython 3.11 to 3.13, Linux x86_64 and aarch64.' $(LOCK)

clean: ## remove the environment, caches and whatever was generated outside git
	@rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis examples/journey/data .einklang/demo .einklang/shop
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
