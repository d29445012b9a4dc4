# Every target sets up what it needs in $(VENV); a second run starts at once.
#   make demo VENV=/path PYTHON=python3.12    another environment, another Python
#   make test ARGS="-k ranking -x"            more arguments for pytest
#   make app ARGS="--port 8080"               and for the web page

PYTHON ?= python3
VENV ?= .venv
OUTPUT ?= output/demo
JOBS ?= 2
ARGS ?=

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
STAMP := $(VENV)/.sor_ppa_is_installed
REQUIREMENTS := requirements.txt requirements-dev.txt
INSTALLERS := setup.py pyproject.toml $(wildcard tools/*detectron2*.py)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup demo app browser-demo test test-browser test-page test-crf test-slow lint format clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 20

setup: $(STAMP)  ## virtual environment with torch, detectron2, sor_ppa and all tools

$(STAMP): $(REQUIREMENTS) $(INSTALLERS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The pinned versions need \
	Python 3.11 or later, $(PYTHON) is %d.%d; try: make PYTHON=python3.11" % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(REQUIREMENTS:%=-r %)
	$(BIN)/python tools/install_detectron2.py
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e .
	@touch $@

demo: $(STAMP)  ## objects ranked and cut out, and where people look, in a few free photos
	$(BIN)/python demo/demo.py --samples --output $(OUTPUT)/rank
	$(BIN)/python demo/demo.py --task saliency --samples --type map rgba blur overlay \
		--output $(OUTPUT)/saliency --sheet $(OUTPUT)/saliency/overview.jpg
	$(BIN)/python demo/demo.py --task fixation --samples --type overlay contours heat \
		--output $(OUTPUT)/fixation --sheet $(OUTPUT)/fixation/overview.jpg
	@echo "Look at $(abspath $(OUTPUT)): rank/overview.png, {saliency,fixation}/overview.jpg"

app: $(STAMP)  ## the web page with the bundled models, at http://127.0.0.1:7860 until Ctrl-C
	$(BIN)/python demo/app.py $(ARGS)

# The page's packages come from npm; node_modules/.package-lock.json is what npm writes last.
PAGE := demo/browser
$(PAGE)/node_modules/.package-lock.json: $(PAGE)/package.json $(PAGE)/package-lock.json
	cd $(PAGE) && npm ci --no-audit --no-fund
	@touch $@

browser-demo: $(STAMP) $(PAGE)/node_modules/.package-lock.json  ## the browser page, ready to be served
	$(BIN)/python $(PAGE)/build_page.py

# It is built from source; without a C++ compiler its few tests are skipped.
test-crf: $(STAMP)  ## the compiled CRF, for the tests of it
	@$(BIN)/python -c "import pydensecrf" 2>/dev/null \
		|| $(BIN)/python -m pip install --quiet --no-deps "pydensecrf2==1.1" \
		|| echo "No compiled CRF (its build needs a C++ compiler): tests of it are skipped."

BROWSER := chromium chromium-driver fonts-dejavu-core
# Debian's packages, as root; elsewhere it says what to install, and the tests that need it are
# skipped, or fail where the environment says CI=true.
test-browser:  ## a headless Chromium and its driver, for the tests of the web pages
	@command -v chromedriver >/dev/null \
		|| { test "$$(id -u)" = 0 && apt-get -q update && DEBIAN_FRONTEND=noninteractive \
			apt-get -q install -y --no-install-recommends $(BROWSER); } \
		|| echo "No browser: install Chromium and chromedriver for the tests of the web pages."

# With the fixation network alone, since exporting takes a while.
test-page: $(STAMP)  ## the browser page that is tested
	@$(MAKE) --no-print-directory $(PAGE)/node_modules/.package-lock.json \
		&& $(BIN)/python $(PAGE)/build_page.py --output build/browser-page \
			--config-file msinet/tiny.yaml \
		|| echo "No browser page (its packages come from npm): tests of it are skipped."

test: $(STAMP) test-browser test-page test-crf  ## the tests, without the slow ones
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(STAMP) test-browser test-page test-crf  ## only the slow tests (minutes; one of them downloads detectron2)
	$(PYTEST) -m slow $(ARGS)

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: $(STAMP)  ## let ruff sort imports and lay out the code
	$(BIN)/python -m ruff check --fix --exit-zero --quiet .
	$(BIN)/python -m ruff format .

clean:  ## remove build products and caches (keeps $(VENV) and output/)
	rm -rf build dist demo/browser/dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
