# The newcomer's commands. Each does all set-up by itself; a second run starts at once.
#
#   make demo    contours of sample_data into demo_out/ (no display needed)
#   make gui     napari with the plugin
#   make test    lint, types, import contracts and all tests
#   make lint    the first three only
#   make clean   removes what the others made, .venv included
#
# PYTHON=/path/to/python3.12   another interpreter for .venv (3.11 or newer)
# PIP_ARGS="..."               more options for pip, e.g. --extra-index-url with PyTorch's CPU wheels
# PYTEST_ARGS="..."            more options for pytest, e.g. -k tracing

VENV := .venv
BIN := $(VENV)/bin
PIP_ARGS ?=
PYTEST_ARGS ?=
export PYTHON PIP_ARGS

INSTALLED_BY := pyproject.toml constraints.txt tools/setup_venv.sh
HAS_DISPLAY := $(DISPLAY)$(WAYLAND_DISPLAY)

.DELETE_ON_ERROR:
.PHONY: help demo gui test lint clean

help:
	@sed -n 's/^#   //p' Makefile

$(VENV)/.installed-core: $(INSTALLED_BY)
	@tools/setup_venv.sh $(VENV)
	@touch $@

$(VENV)/.installed-gui: $(VENV)/.installed-core
	@tools/setup_venv.sh $(VENV) pyqt5
	@touch $@

$(VENV)/.installed-dev: $(INSTALLED_BY)
	@tools/setup_venv.sh $(VENV) pyqt5,dev
	@touch $(VENV)/.installed-core $(VENV)/.installed-gui $@

demo: $(VENV)/.installed-$(if $(HAS_DISPLAY),gui,core)
	@tools/demo.sh $(VENV)

gui: $(VENV)/.installed-gui
	QT_API=pyqt5 $(BIN)/napari -w napari-segsem Annotate "Review and export"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint
	@tools/run_tests.sh $(VENV) $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) demo_out build dist *.egg-info src/*.egg-info .mypy_cache .ruff_cache \
		.pytest_cache .hypothesis .import_linter_cache
	find src napari_segsem tests -name __pycache__ -type d -prune -exec rm -rf {} +
