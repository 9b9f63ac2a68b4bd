#!/bin/sh
# Print the path of a Python this project runs on (3.12 to 3.14), or say clearly that there is none.
# The default `python3` may be older, and version managers' shims may be on the PATH and fail: each candidate is run.
set -u

fits() {
    "$1" -c 'import sys, venv; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 15))' >/dev/null 2>&1
}

managed() {
    command -v pyenv >/dev/null 2>&1 && pyenv root 2>/dev/null
    echo "${PYENV_ROOT:-$HOME/.pyenv}"
}

candidates() {
    [ -n "${PYTHON:-}" ] && echo "$PYTHON"
    for name in python3.13 python3.12 python3.14 python3 python; do
        command -v "$name" 2>/dev/null
    done
    for root in $(managed); do
        ls -d "$root"/versions/3.13*/bin/python3 "$root"/versions/3.12*/bin/python3 "$root"/versions/3.14*/bin/python3 2>/dev/null
    done
    command -v uv >/dev/null 2>&1 && uv python find '>=3.12,<3.15' 2>/dev/null
}

for python in $(candidates); do
    if fits "$python"; then
        "$python" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done

echo "nautilus_qs needs Python 3.12, 3.13 or 3.14, with its venv module; none was found." >&2
echo "Install one (Debian: apt-get install python3.13 python3.13-venv; pyenv install 3.13; uv python install 3.13)," >&2
echo "or name it: make PYTHON=/path/to/python3.13 ..." >&2
exit 1
