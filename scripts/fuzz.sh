#!/usr/bin/env bash
# Fuzzes every decoder for a while, guided by coverage, on a stable compiler.
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]     60 seconds a target, and all targets, unless told otherwise
#
# The vectors of docs/repository-format.md are where it starts, and what broke a target before: fuzz/found/. What breaks
# one now is left in fuzz/artifacts/ and printed as base64; given as the only argument to the program it runs again.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../fuzz"

readonly SECONDS_EACH=${1:-60}
shift || true
HOST=$(rustc -vV | sed -n 's/^host: //p')
readonly HOST
# What `cargo fuzz` passes too, short of the sanitizers, which only a nightly compiler has.
readonly COUNTERS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# With a target named, flags hold for it alone and not for build scripts.
RUSTFLAGS="$COUNTERS" cargo build --quiet --release --locked --target "$HOST"
readonly PROGRAM="target/$HOST/release/strongroom-fuzz"

targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(sed -n 's/^    ("\([a-z-]*\)", .*/\1/p' src/targets.rs)

python3 - "$scratch/seeds" <<'PYTHON'
import pathlib, re, sys
seeds = pathlib.Path(sys.argv[1])
seeds.mkdir()
text = pathlib.Path("../docs/repository-format.md").read_text()
blocks = re.findall(r"^```vector (\S+)\n(.*?)^```", text, re.M | re.S) + re.findall(r"^\| ([\w -]+) \| `([0-9a-f]+)` \|", text, re.M)
for name, body in blocks:
    digits = "".join(body.split())
    content = bytes.fromhex(digits) if re.fullmatch(r"(?:[0-9a-f]{2})+", digits) else body.encode()
    (seeds / name.replace(" ", "-")).write_bytes(content)
for found in pathlib.Path("found").iterdir():
    (seeds / found.name).write_bytes(found.read_bytes())
PYTHON

run() {
    local target=$1
    mkdir -p artifacts "$scratch/corpus-$target"
    if STRONGROOM_FUZZ_TARGET=$target "$PROGRAM" "$scratch/corpus-$target" "$scratch/seeds" \
        -max_total_time="$SECONDS_EACH" -max_len=65536 -rss_limit_mb=2048 -timeout=20 \
        -artifact_prefix="artifacts/$target-" >"$scratch/$target.log" 2>&1; then
        sed -n "s/^Done \([0-9]*\) runs.*/fuzz $target: \1 inputs/p" "$scratch/$target.log"
    else
        grep -v '^#' "$scratch/$target.log" | tail -n 60
        grep -A2 'panicked at' "$scratch/$target.log" >"$scratch/$target.failed"
        sed -n 's/^SUMMARY: //p; s/^Base64: /input, as base64: /p' "$scratch/$target.log" >>"$scratch/$target.failed"
        return 1
    fi
}

# As many at a time as there are processors.
failed=0
running=0
for target in "${targets[@]}"; do
    if ((running >= $(nproc))); then
        wait -n || failed=1
        running=$((running - 1))
    fi
    run "$target" &
    running=$((running + 1))
done
while ((running)); do
    wait -n || failed=1
    running=$((running - 1))
done
# Last, since reports of other checks may keep only the end.
for report in "$scratch"/*.failed; do
    [[ ! -e $report ]] || sed "s/^/fuzz $(basename "$report" .failed) FAILED: /" "$report"
done
exit "$failed"
