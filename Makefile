# Two commands are enough: `make repro` grows the model, `make test` checks the project. `make help` lists the rest.
# Needs git, GNU make and Python 3.11 or 3.12; everything else goes into .venv, pinned by hash.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# GPU=1 or GPU=0 overrides what nvidia-smi says.
ifndef GPU
GPU := $(shell nvidia-smi -L 2>/dev/null | grep -q '^GPU ' && echo 1 || echo 0)
endif
ifeq ($(filter 0 1,$(GPU)),)
$(error GPU must be 0 or 1. Got '$(GPU)' instead)
endif

KIND := $(if $(filter 1,$(GPU)),gpu,cpu)
LOCK := $(if $(filter 1,$(GPU)),requirements-gpu.lock,requirements.lock)
STAMP := .venv/.ready-$(KIND)
PORT ?= 5000

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHON
export VIRTUAL_ENV := $(CURDIR)/.venv
export UV_PYTHON_DOWNLOADS := never
export UV_HTTP_TIMEOUT ?= 180
# No package phones home (src/glasshouse/__init__.py says the same where make is not the caller).
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export GX_ANALYTICS_ENABLED := false
export MLFLOW_DISABLE_TELEMETRY := true
export ORT_DISABLE_TELEMETRY := 1
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help setup repro pull retrain test check smoke disturb ui bench pretrain lock deps

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## */  make \1 \t/p' Makefile | expand -t 18

setup: $(STAMP)  ## .venv from the lock (GPU=0/1, PYTHON=... override what is found)

$(STAMP): $(LOCK) requirements-uv.lock pyproject.toml tools/setup.sh
	@sh tools/setup.sh $(LOCK) $@

repro: $(STAMP)  ## grow the model: run what has changed, mirror it to MLflow, say where to look
	@glasshouse params check
	@glasshouse unreadable
	dvc repro $(ARGS)
	@glasshouse runs sync --best-effort
	@glasshouse summary

pull: $(STAMP)  ## git pull where retrainings left their files: what a change holds gives way
	@glasshouse pull

retrain: $(STAMP)  ## what the schedule does: new data in, a judged model and a change to merge out
	@glasshouse retrain $(ARGS)

test: $(STAMP)  ## all tests
	python -m pytest -q --numprocesses 2 --dist loadfile $(ARGS)

check: $(STAMP)  ## style, types, import contracts, dvc.yaml against the imports, workflow files
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	python tools/write_deps.py --check
	check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	zizmor --offline --quiet --persona auditor .github/workflows

smoke: $(STAMP)  ## the whole pipeline on a tiny set, in a copy of the project
	python tools/smoke.py $(ARGS)

disturb: $(STAMP)  ## kills, force, clones, caches, servers that are away: the same bytes (tiny set, copies)
	python tools/disturb.py $(ARGS)

ui: $(STAMP)  ## MLflow on http://127.0.0.1:5000 (PORT=... for another), or where the server is
	@case "$$MLFLOW_TRACKING_URI" in http://*|https://*|databricks*) \
	  echo "MLflow runs at $$MLFLOW_TRACKING_URI: open that page." | sed 's|//[^/]*@|//|' ;; \
	*) MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --host 127.0.0.1 --port $(PORT) --workers 1 \
	  --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}" ;; \
	esac

bench: $(STAMP)  ## how long everything takes here
	python tools/bench.py $(ARGS)
	$(if $(ARGS),,python tools/bench_data.py)

pretrain: $(STAMP)  ## rebuild the weights that ship with the project
	glasshouse pretrain $(ARGS)

deps: $(STAMP)  ## after a change of imports: write the stages' deps and params into dvc.yaml
	python tools/write_deps.py

# UPGRADE=1 takes the newest versions that pyproject.toml allows; otherwise pinned versions stay.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-annotate --no-header $(if $(UPGRADE),--upgrade)

lock: $(STAMP)  ## rebuild the locks from pyproject.toml (UPGRADE=1: newest versions)
	$(COMPILE) --extra cpu --extra dev pyproject.toml --output-file requirements.lock
	$(COMPILE) --extra gpu --extra dev --constraints requirements.lock pyproject.toml --output-file requirements-gpu.lock
	echo uv | $(COMPILE) - --output-file requirements-uv.lock
