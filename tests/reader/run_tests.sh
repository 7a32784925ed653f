#!/bin/sh
# Runs the tests of the reader.
set -eu
cd "$(dirname "$0")"
exec ./python -m unittest "$@"
