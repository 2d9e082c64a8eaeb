#!/bin/sh
# Writes a sample dataset and has it judged by lerobot-doctor, a validator that knows nothing of
# this project. Needs python3 with venv; installs the validator once into the user's cache.
# Exit code: 0 if it finds no failure. Its warnings are printed; these are in the nature of the
# sample: a gripper that is open or closed, and episodes shorter than another policy's chunk.
set -eu
version=0.2.0
venv="${XDG_CACHE_HOME:-$HOME/.cache}/jacod/lerobot-doctor-$version"
if ! [ -x "$venv/bin/lerobot-doctor" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "lerobot-doctor==$version"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$(dirname "$0")/.."
cargo run --quiet --example sample -- "$folder/sample"
"$venv/bin/lerobot-doctor" check --ci --fail-on fail "$folder/sample"
