# Short names for what the scripts do. `just` is a convenience: nothing needs it.

# Lists the recipes.
default:
    @just --list

# Checks everything, and writes nothing into the tree.
check:
    scripts/check.sh

# Shows the main job on a sample CMDB.
demo *ARGS:
    cargo run --release --locked -- demo {{ARGS}}

# Measures both sides in one run; only a whole run writes docs/benchmarks.json.
bench *ARGS:
    cargo build --release --locked
    python3 bench/run.py {{ARGS}}

# Repairs what can be repaired without thought: formatting, and lints that have one remedy.
fix:
    cargo clippy --workspace --all-targets --locked --fix --allow-dirty --allow-staged
    cargo fmt --all

# Runs the tests whose names contain FILTER; all of them without one.
test FILTER="":
    cargo nextest run --workspace --locked {{ if FILTER == "" { "" } else { quote(FILTER) } }}

# Builds the documentation of the code.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
