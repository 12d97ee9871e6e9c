#!/bin/sh
# demo.sh VENV: contours of the images in sample_data, into demo_out/; napari where there is a display.
set -eu
cd "$(dirname "$0")/.."

bin=$1/bin
"$bin/segsem" extract sample_data/manifest.csv -o demo_out --force
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    echo "Opening them in napari"
    QT_API=pyqt5 "$bin/python" tools/show_results.py demo_out
else
    echo "No display: look at demo_out/*/overlay.png, or run 'make gui' where there is one."
fi
