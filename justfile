# The verbs of the house. Anything with logic lives in xtask, in Rust.

# what the measured store speaks, and how much it is given
store := "sqlite:target/benchmark.db"
jobs := "200000"

_menu:
    @just --list --unsorted

# put the `longshore` binary where cargo keeps binaries
install:
    cargo install --locked --path crates/longshore

# every test and doctest; `just test --fast` needs nothing but Rust
test *args:
    cargo xtask test {{ args }}

# formatting, clippy, docs, licences: all warnings are errors
lint:
    cargo xtask lint

# write the code the way rustfmt does
format:
    cargo fmt --all

# does it compile? the quickest answer
type-check:
    cargo check --workspace --all-targets

# the rules that no compiler checks
tidy:
    cargo xtask tidy

# speed of a store beside its own raw floor, as one JSON object
benchmark:
    cargo run --release --package longshore -- lab queue --store {{ store }} --jobs {{ jobs }} --slots 50 --json

# lines that the tests reach; fewer than 85 % is a failure (cargo install cargo-llvm-cov --locked)
coverage:
    cargo llvm-cov nextest --workspace --features longshore-sqlite/bench --fail-under-lines 85

# the whole system at work, with nothing to set up
demo:
    cargo run --release --package longshore -- demo

# the documentation of every crate, in target/doc
docs:
    cargo doc --no-deps --workspace

# what a change has to pass before it lands
ci:
    .ci/run

# take away everything that was built or made
clean:
    cargo clean
    rm -rf longshore-demo
