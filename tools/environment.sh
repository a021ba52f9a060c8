# Sourced by quickstart.sh and test.sh: makes .venv in the project folder and installs the package there.
#
#   make_environment ""        the package
#   make_environment "[test]"  the package with what the tests need
#
# PYTHON names the interpreter to use; by default python3.

fail() {
    printf '\nerror: %s\n' "$*" >&2
    exit 1
}

make_environment() {
    local python="${PYTHON:-python3}" extras="$1"
    command -v "$python" >/dev/null || fail "there is no $python: install Python 3.10 or newer, or set PYTHON=/path/to/python"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail "$("$python" --version) is too old: Python 3.10 or newer is needed; set PYTHON=/path/to/python"

    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        echo "Making .venv ..."
        rm -rf .venv
        "$python" -m venv .venv || {
            rm -rf .venv
            fail "$python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"
        }
    fi

    # Installing again costs seconds: only when the requirements or the wanted extras are new.
    local wanted stamp=.venv/installed
    wanted="$extras $(cat setup.py requirements.txt | cksum)"
    if ! grep -qxF "$wanted" "$stamp" 2>/dev/null; then
        echo "Installing the package and what it needs into .venv (PyTorch is large: some minutes) ..."
        .venv/bin/python -m pip install --disable-pip-version-check -q -e ".$extras" ||
            fail "pip could not install the package: see its message above"
        check_opencv
        printf '%s\n' "$wanted" >>"$stamp"
    fi
}

check_opencv() {
    # Slim machines lack the libraries of the desktop build (libxcb, libGL); the headless build needs none of them.
    if ! .venv/bin/python -c 'import cv2' 2>/dev/null; then
        echo "OpenCV's desktop build does not work here; taking opencv-python-headless instead."
        .venv/bin/python -m pip uninstall --disable-pip-version-check -q -y opencv-python
        .venv/bin/python -m pip install --disable-pip-version-check -q --force-reinstall --no-deps opencv-python-headless
        .venv/bin/python -c 'import cv2' ||
            fail "OpenCV does not work. On Debian and Ubuntu: apt-get install libxcb1 libgl1 libglib2.0-0"
    fi
}
