# Sourced by the scripts beside it: finds a Python, has setup.py make .venv, and leaves the checkout in $root.

root=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)

# The environment's own Python comes first, so that it is not rebuilt when another python3 comes to the front of PATH.
find_python() {
    for candidate in "${UV_PYTHON:-}" "$root/.venv/bin/python" \
        python3 python3.13 python3.12 python3.11 python3.14 python; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -ISc 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

# ensure_environment demo|full|bench
ensure_environment() {
    if ! python=$(find_python); then
        found=$(python3 --version 2>/dev/null) || found='no python3'
        echo "presence needs Python 3.11 or newer; here is $found." >&2
        echo "Next step: install one (Debian 12 or newer, Ubuntu 24.04 or newer: sudo apt install python3)," >&2
        echo "or name one that lies elsewhere: UV_PYTHON=/path/to/python3 $0" >&2
        exit 69
    fi
    "$python" -IS "$root/scripts/setup.py" "$1" || exit $?
}
