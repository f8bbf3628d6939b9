#!/bin/sh
# Makes .venv from a lock: sh tools/setup.sh LOCK STAMP. The stamp is written last, and an environment without a
# stamp is made anew, so a set-up that was interrupted at any moment is put right by the next one.
set -eu
lock=$1
stamp=$2

fail() {
    echo "glasshouse set-up: $*" >&2
    exit 1
}

fits() {
    "$1" -c 'import sys; raise SystemExit(sys.version_info[:2] not in [(3, 11), (3, 12)])' >/dev/null 2>&1
}

has_venv() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null 2>&1 || fail "there is no PYTHON=$PYTHON."
        fits "$PYTHON" || fail "Python 3.11 or 3.12 is needed. PYTHON=$PYTHON is $("$PYTHON" -V 2>&1 || :)."
        has_venv "$PYTHON" || fail "$PYTHON has no venv: install it (Debian, Ubuntu: apt install python3-venv)."
        python=$PYTHON
        return
    fi
    without_venv=
    for python in python3 python3.12 python3.11 python; do
        if fits "$python"; then
            has_venv "$python" && return
            without_venv=${without_venv:-$python}
        fi
    done
    [ -z "$without_venv" ] || fail "$without_venv has no venv: install it (Debian, Ubuntu: apt install python3-venv)."
    fail "Python 3.11 or 3.12 is needed. python3 is $(python3 -V 2>&1 || echo missing). Say PYTHON=/path/to/python3.12."
}

if ls .venv/.ready-* >/dev/null 2>&1; then
    rm -f .venv/.ready-*  # what follows is not finished until it says so
else
    find_python
    echo "glasshouse set-up: making .venv with $("$python" -V) from $lock (once; some minutes)"
    # Renamed first: what an interrupted set-up may have left running loses its footing instead of getting in the way.
    [ ! -e .venv ] || mv .venv ".venv-old-$$"
    rm -rf .venv-old-* || echo "glasshouse set-up: .venv-old-* could not be removed, do it later" >&2
    "$python" -m venv .venv
fi
if ! .venv/bin/uv --version >/dev/null 2>&1; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
        -r requirements-uv.lock || fail "uv could not be installed: is the network there?"
fi
uv() {
    command .venv/bin/uv pip "$@" --python .venv/bin/python
}
uv sync --require-hashes --compile-bytecode --build-constraints "$lock" "$lock" ||
    fail "the packages of $lock could not be installed: is the network there? Run make again."
uv install --quiet --offline --no-deps --no-build-isolation --editable .
touch "$stamp"
