#!/usr/bin/env bash
# Everything that has to hold before a change is handed in.
#
#   scripts/check.sh                 install what is missing, where that is allowed, then check
#   scripts/check.sh --no-install    say what is missing, and stop
#
# Nothing in the source tree is written; `just fix` does that. What could not be checked is named at the end.
#
#   STRONGROOM_CORPORA                 folder of the public corpora; tests that need it say so if it is not there
#   STRONGROOM_EMULATORS               folder of the servers for tests of object stores; below the user's caches unless given
#   STRONGROOM_FUZZ_SECONDS            how long each decoder is fuzzed, 60 unless given
#   STRONGROOM_REQUIRE_ADVISORIES=1    fail, instead of saying so, when the advisory database can't be reached

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export LC_ALL=C

# A version and the digests of its prebuilt wheels (x86_64, aarch64), each from one package of the Python index.
readonly NEXTEST_VERSION=0.9.148
readonly NEXTEST_WHEELS="76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968
ec00da98aa8e0c0e9520219a00f68290e62da70f0574e03110dc94393711df11"
readonly DENY_VERSION=0.20.2
readonly DENY_WHEELS="ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141"

# A server for tests, a package of npm.
readonly AZURITE_VERSION=3.37.0

readonly CARGO_BIN="${CARGO_HOME:-$HOME/.cargo}/bin"
export PATH="$PATH:$CARGO_BIN"

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# Tests append to this file what they could not run, one "test: reason" a line.
export STRONGROOM_NOT_RUN_FILE="$scratch/not-run"
: >"$STRONGROOM_NOT_RUN_FILE"

# Sweeps append to this file what they covered.
export STRONGROOM_SWEEPS_FILE="$scratch/sweeps"
: >"$STRONGROOM_SWEEPS_FILE"

may_install=yes
summary=()
failures=0

main() {
    case "${1-}" in
        "") ;;
        --no-install) may_install=no ;;
        *) stop "usage: scripts/check.sh [--no-install]" ;;
    esac
    require_rust
    require_system_packages
    require_cargo_tool nextest "$NEXTEST_VERSION" "$NEXTEST_WHEELS"
    require_cargo_tool deny "$DENY_VERSION" "$DENY_WHEELS"
    find_reader_python
    require_emulators

    check "formatting" cargo fmt --all --check
    check "formatting of fuzz targets" cargo fmt --manifest-path fuzz/Cargo.toml --check
    check "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
    check "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
    check "doc tests" cargo test --workspace --doc --locked
    check "tests" cargo nextest run --workspace --locked
    check "fuzzing" fuzz
    check "licences, bans and sources" cargo deny --locked check --hide-inclusion-graph licenses bans sources
    check_advisories
    conclude
}

# ---- what has to be there ---------------------------------------------------------------------------------------------

require_rust() {
    has cargo || stop "Rust is missing. Install it with rustup (https://rustup.rs), then start again."
    cargo fmt --version >/dev/null 2>&1 || stop "rustfmt is missing: rustup component add rustfmt"
    cargo clippy --version >/dev/null 2>&1 || stop "clippy is missing: rustup component add clippy"
}

# Everything is found by what it provides, so that a system other than Debian may have it from elsewhere.
require_system_packages() {
    local missing=()
    has cc || missing+=(build-essential)
    has sqlite3 || missing+=(sqlite3)
    has zstd || missing+=(zstd)
    has strace || missing+=(strace)
    has_postgresql_server || missing+=(postgresql)
    ((${#missing[@]})) || return 0
    install_packages "${missing[@]}"
    has_postgresql_server || stop "PostgreSQL was installed, and its server's programs are still not found"
}

# The server's programs are not on the path of Debian. The tests start clusters of their own; none has to run.
has_postgresql_server() {
    has initdb || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null
}

install_packages() {
    local as_root=()
    ((EUID == 0)) || as_root=(sudo -n)
    local by_hand="apt-get install $*"
    has apt-get || stop "Missing: $*. Install them (named here as Debian packages), then start again."
    [[ $may_install == yes ]] || stop "Missing: $*. Run: sudo $by_hand"
    ((EUID == 0)) || sudo -n true 2>/dev/null || stop "Missing: $*. Run: sudo $by_hand"
    say "installing $*"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q || say "apt-get update failed; trying with the lists there are"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" ||
        stop "Could not install $*. Run: sudo $by_hand"
}

# A prebuilt program takes seconds, building one takes minutes; so the second is tried only where the first fails.
require_cargo_tool() {
    local name=$1 version=$2 digests=$3
    cargo "$name" --version >/dev/null 2>&1 && return 0
    [[ $may_install == yes ]] || stop "cargo-$name is missing. Run: cargo install --locked cargo-$name --version $version"
    say "installing cargo-$name $version"
    install_wheel "$name" "$version" "$digests" && cargo "$name" --version >/dev/null 2>&1 && return 0
    say "no prebuilt cargo-$name fits; building it"
    CARGO_TARGET_DIR="$scratch/build" cargo install --quiet --locked "cargo-$name" --version "$version" ||
        stop "Could not install cargo-$name. Run: cargo install --locked cargo-$name --version $version"
}

# The reader in docs/reader needs packages of the Python index, which not every machine reaches: its test then says so.
find_reader_python() {
    local python="$PWD/target/reader/bin/python" needs=docs/reader/requirements.txt
    if [[ $may_install == yes ]] && ! cmp -s "$needs" target/reader/installed; then
        say "installing the packages of $needs below target/reader"
        if python3 -m venv target/reader && "$python" -m pip install --quiet --disable-pip-version-check \
            --only-binary :all: --requirement "$needs"; then
            cp "$needs" target/reader/installed
        else
            say "the reader in docs/reader will not be tested: python3 -m venv, or pip install -r $needs, failed"
        fi
    fi
    [[ ! -x $python ]] || export STRONGROOM_READER_PYTHON=$python
}

install_wheel() {
    local name=$1 version=$2 digests=$3
    local folder="$scratch/$name" digest
    python3 -m pip --version >/dev/null 2>&1 || return 1
    mkdir -p "$folder" "$CARGO_BIN"
    {
        printf '%s==%s' "astral-dev-toolchain-cargo-$name" "$version"
        for digest in $digests; do printf ' --hash=sha256:%s' "$digest"; done
        echo
    } >"$folder/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        --requirement "$folder/requirements.txt" --dest "$folder" || return 1
    python3 -m zipfile -e "$folder"/*.whl "$folder" || return 1
    install -m 755 "$folder"/*.data/scripts/"cargo-$name" "$CARGO_BIN/cargo-$name"
}

# Servers that speak the protocols of object stores, in a folder of their own. Without them the tests of object stores
# say that they could not run.
require_emulators() {
    require_python_emulators
    require_azurite
}

# Azurite is a package of npm, with some four hundred others behind it. None of their scripts is run.
require_azurite() {
    local folder=${STRONGROOM_EMULATORS:-${XDG_CACHE_HOME:-$HOME/.cache}/strongroom/emulators}
    local package="azurite@$AZURITE_VERSION"
    [[ $(cat "$folder/node/installed.txt" 2>/dev/null) == "$package" ]] && return 0
    if [[ $may_install == no ]] || ! has npm; then
        say "$package is not in $folder: tests of Azure's object store will not run"
        return 0
    fi
    say "installing $package for the tests of object stores"
    rm -rf "$folder/node"
    mkdir -p "$folder/node" &&
        npm install --silent --ignore-scripts --no-audit --no-fund --prefix "$folder/node" "$package" >/dev/null 2>&1 &&
        echo "$package" >"$folder/node/installed.txt" && return 0
    say "could not install it: tests of Azure's object store will not run"
}

require_python_emulators() {
    local folder=${STRONGROOM_EMULATORS:-${XDG_CACHE_HOME:-$HOME/.cache}/strongroom/emulators}
    local list=scripts/emulators.txt python="$folder/python/bin/python"
    cmp -s "$list" "$folder/python/installed.txt" && return 0
    if [[ $may_install == no ]]; then
        say "the servers of $list are not in $folder: tests of object stores will not run"
        return 0
    fi
    say "installing servers for the tests of object stores"
    rm -rf "$folder/python"
    mkdir -p "$folder" && python3 -m venv "$folder/python" &&
        "$python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --requirement "$list" &&
        cp "$list" "$folder/python/installed.txt" && return 0
    say "could not install them: tests of object stores will not run"
}

# ---- the checks -------------------------------------------------------------------------------------------------------

# Runs one check to its end, whatever became of those before it.
check() {
    local name=$1 start=$SECONDS
    shift
    say "$name"
    if "$@"; then
        conclude_line "ok" "$name" $((SECONDS - start))
    else
        conclude_line "FAILED" "$name" $((SECONDS - start))
        failures=$((failures + 1))
    fi
}

# What broke a decoder is repeated at the end.
fuzz() {
    scripts/fuzz.sh "${STRONGROOM_FUZZ_SECONDS:-60}" >"$scratch/fuzz"
    local status=$?
    cat "$scratch/fuzz"
    return "$status"
}

# The database is kept in a public repository, which not every machine reaches.
check_advisories() {
    local start=$SECONDS
    say "advisories"
    if timeout 120 cargo deny --locked fetch db; then
        check "advisories" cargo deny --locked check --hide-inclusion-graph advisories
        return
    fi
    conclude_line "NOT CHECKED" "advisories (database not reachable)" $((SECONDS - start))
    if [[ ${STRONGROOM_REQUIRE_ADVISORIES-} == 1 ]]; then
        failures=$((failures + 1))
    fi
}

conclude_line() {
    summary+=("$(printf '%-12s %-44s %4d s' "$1" "$2" "$3")")
}

conclude() {
    printf '\n==== summary, after %d s\n' "$SECONDS"
    printf '%s\n' "${summary[@]}"
    if [[ -s $STRONGROOM_SWEEPS_FILE ]]; then
        printf '\nsweeps:\n'
        sort -u "$STRONGROOM_SWEEPS_FILE" | sed 's/^/  /'
    fi
    grep ' FAILED: ' "$scratch/fuzz" 2>/dev/null && echo
    if [[ -s $STRONGROOM_NOT_RUN_FILE ]]; then
        printf '\ntests that could not run:\n'
        sort -u "$STRONGROOM_NOT_RUN_FILE" | sed 's/^/  /'
    fi
    if [[ "${summary[*]}" == *"NOT CHECKED"* ]]; then
        printf '\nadvisories: NOT CHECKED (database not reachable)\n'
    fi
    if ((failures)); then
        printf '\n%d of the checks above did not pass\n' "$failures"
        exit 1
    fi
}

# ---- helpers ----------------------------------------------------------------------------------------------------------

has() {
    command -v "$1" >/dev/null 2>&1
}

say() {
    printf '\n==== %s\n' "$*"
}

stop() {
    printf '%s\n' "$*" >&2
    exit 2
}

main "$@"
