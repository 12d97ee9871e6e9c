#!/bin/sh
# run_tests.sh VENV [PYTEST ARGUMENTS]: the whole suite, GUI tests on a virtual screen of their own.
set -u
cd "$(dirname "$0")/.." || exit 1

venv=$1
shift
export QT_API=pyqt5
# Two programs with OpenMP threads on few cores slow each other several times when they spin.
export GOMP_SPINCOUNT=0

if tools/system_libraries.sh "$venv"; then
    export SEGSEM_REQUIRE_GUI=1
    # A real screen would show hundreds of windows and steal the focus that the tests need.
    unset WAYLAND_DISPLAY
    exec xvfb-run -a -s "-screen 0 1600x1000x24" "$venv/bin/python" -m pytest "$@"
fi
echo "running the tests without the GUI tests"
exec "$venv/bin/python" -m pytest --ignore=tests/gui "$@"
