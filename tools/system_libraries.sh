#!/bin/sh
# system_libraries.sh [VENV]: sees to what Qt under Xvfb needs from the system.
# Exit code 0: everything is there (installed through apt where that was possible without asking
# for a password); 1: something is missing, and one line on stderr says what to install.
set -u
cd "$(dirname "$0")/.." || exit 1

venv=${1:-.venv}
packages="xvfb xauth libgl1 libgl1-mesa-dri libegl1 libdbus-1-3 libfontconfig1 libglib2.0-0
    libx11-xcb1 libxkbcommon-x11-0 libxkbcommon0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
    libxcb-randr0 libxcb-render-util0 libxcb-render0 libxcb-shape0 libxcb-shm0 libxcb-sync1
    libxcb-util1 libxcb-xfixes0 libxcb-xinerama0 libxcb-xkb1 libxcb-cursor0 fonts-dejavu-core"

# Asked of the things themselves rather than of dpkg: names differ between Debian releases.
all_there() {
    command -v Xvfb >/dev/null && command -v xvfb-run >/dev/null && command -v xauth >/dev/null || return 1
    ldconfig=$(command -v ldconfig || echo /sbin/ldconfig)
    "$ldconfig" -p | grep -q 'libGL\.so\.1' || return 1
    "$ldconfig" -p | grep -q 'libEGL\.so\.1' || return 1
    for plugin in "$venv"/lib/python3*/site-packages/PyQt[56]/Qt[56]/plugins/platforms/libqxcb.so; do
        [ -e "$plugin" ] || continue
        if ldd "$plugin" | grep -q 'not found'; then return 1; fi
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

all_there && exit 0
if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    echo "Installing Xvfb and the libraries of Qt through apt"
    log=$(mktemp)
    # shellcheck disable=SC2086
    if as_root apt-get update >"$log" 2>&1 &&
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends $packages >>"$log" 2>&1; then
        rm -f "$log"
        all_there && exit 0
    else
        tail -n 3 "$log" >&2
        rm -f "$log"
    fi
fi
packages=$(echo "$packages" | tr -s ' \n' ' ')
echo "missing system libraries for Qt and Xvfb: run 'apt-get install $packages' as root" >&2
exit 1
