#!/bin/sh
# Prints the Python that .venv is made with, or says in one line what is missing.
# $PYTHON chooses one; otherwise the system's python3 goes first, since Debian's python3-venv
# serves that one only.
set -eu

works() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

without_venv=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    works "$candidate" || continue
    if has_venv "$candidate"; then
        "$candidate" -c 'import sys; print(sys.executable)'
        exit 0
    fi
    without_venv=${without_venv:-$candidate}
done

if [ -n "$without_venv" ]; then
    echo "error: $without_venv cannot make virtual environments: run 'apt-get install python3-venv' as root, then try again" >&2
elif [ -n "${PYTHON:-}" ]; then
    echo "error: PYTHON=$PYTHON is not a Python 3.11 or newer: name another one or leave PYTHON away" >&2
else
    echo "error: no Python 3.11 or newer found: install one, or name it as in 'make PYTHON=/path/to/python3.12'" >&2
fi
exit 1
