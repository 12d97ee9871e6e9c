#!/bin/sh
# setup_venv.sh VENV [EXTRAS]: makes the virtual environment, or brings it up to date, with the
# project installed editable and every version from constraints.txt.
#
# torch goes in first and sam2 is built without isolation: sam2's build needs torch, and an
# isolated build would download it a second time. $PIP_ARGS goes to every pip call, for instance
# "--extra-index-url URL" with the index of PyTorch's CPU wheels.
set -eu
cd "$(dirname "$0")/.."

venv=$1
extras=${2:+[$2]}
python=$venv/bin/python

if ! "$python" -c 'import pip' >/dev/null 2>&1; then
    base=$(tools/find_python.sh)
    echo "Making $venv with $base"
    "$base" -m venv --clear "$venv"
fi

# Word splitting of PIP_ARGS is meant: it holds several options.
# shellcheck disable=SC2086
pip_install() {
    "$python" -m pip install -qq --no-input --disable-pip-version-check \
        --constraint constraints.txt ${PIP_ARGS:-} "$@"
}

export SAM2_BUILD_CUDA=0
if ! "$python" -c 'import importlib.metadata as m; m.version("torch")' >/dev/null 2>&1; then
    echo "Installing PyTorch (the largest part; minutes on a slow line)"
fi
pip_install --upgrade pip setuptools wheel
pip_install torch torchvision numpy
echo "Installing napari-segsem$extras and what it needs"
pip_install --no-build-isolation --editable ".$extras"
