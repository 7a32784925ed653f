#!/bin/sh
# Makes a Python environment from requirements.txt, once, and runs the tests of the reader in it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
environment=${ESKER_READER_ENV:-$here/../../target/reader-env}
if [ ! -x "$environment/bin/python" ]; then
    python3 -m venv "$environment"
fi
"$environment/bin/python" -m pip install --quiet --require-virtualenv -r "$here/requirements.txt"
cd "$here"
exec "$environment/bin/python" -m unittest "$@"
