#!/bin/bash
# Runs every fuzz target one after another: tests/fuzz/run.sh [SECONDS] [TARGET...]
# Prints a table: executions, executions a second, edges covered, inputs kept, findings.
# Needs the nightly toolchain and cargo-fuzz; docs/fuzzing.md says what the targets are.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")"

seconds=${1:-600}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(sed -n '/^\[\[bin\]\]/,/^name/ s/^name = "\(.*\)"/\1/p' Cargo.toml)
fi
programs=target/$(rustc +nightly -vV | sed -n 's/^host: //p')/release
# The inputs that a target keeps are small; what is longer finds nothing that these do not.
longest() { case $1 in checkpoint) echo 32768 ;; adapter | tokenizer) echo 8192 ;; *) echo 4096 ;; esac; }

nice -n 15 cargo +nightly fuzz build --sanitizer none || exit 1
mkdir -p runs
table=$'target executions per_s edges inputs findings'
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target" "artifacts/$target"
    words=()
    folders=("corpus/$target" "seeds/$target")
    [ -d "findings/$target" ] && folders+=("findings/$target")
    [ -f "words/$target.dict" ] && words=("-dict=words/$target.dict")
    before=$(find "artifacts/$target" -type f | wc -l)
    # One finding does not end the run: the fuzzer goes on in a process of its own.
    nice -n 15 "$programs/$target" "${folders[@]}" -artifact_prefix="artifacts/$target/" \
        -fork=1 -ignore_crashes=1 -ignore_ooms=1 -ignore_timeouts=1 \
        -max_total_time="$seconds" -max_len="$(longest "$target")" -timeout=10 \
        -rss_limit_mb=2048 "${words[@]}" >"runs/$target.log" 2>&1
    found=$(($(find "artifacts/$target" -type f | wc -l) - before))
    # "#12345: cov: 678 ft: 901 corp: 234 exec/s 567 oom/timeout/crash: 0/0/0 time: 600s ..."
    table+=$'\n'$(grep -a '^#[0-9]*: cov:' "runs/$target.log" | tail -1 |
        awk -v target="$target" -v found="$found" -v seconds="$seconds" '{
            executions = substr($1, 2) + 0
            print target, executions, int(executions / seconds), $3, $7, found }')
    printf '%s done, %s finding(s): runs/%s.log\n' "$target" "$found" "$target"
done
printf '\n%s\n' "$table" | column -t
