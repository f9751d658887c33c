# What is typed daily; `just` lists it. Nothing needs `just`: every recipe is the command behind it.

_list:
    @just --list --unsorted

# Compile everything, tests and benches included
check:
    cargo check --workspace --all-targets

# Format, and ask the linter
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# The tests whose names contain one of the words; without any, all of them
test *words:
    cargo test --workspace -- {{words}}

# The tests of the program itself alone: `just it config cli`
it *words:
    cargo test --test it -- {{words}}

# The documentation, private items included
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --open

# The book, as it is read in a browser (needs mdbook)
book:
    mdbook serve docs

# The parts of the reference that are made from the program's definitions
reference:
    TENANTRY_WRITE_DOCS=1 cargo test --test it -- docs::reference

# What a change has to pass
ci:
    .ci/run

# The program, with these arguments
run *arguments:
    cargo run -- {{arguments}}

# A stand-in for Partner Center
sandbox *arguments:
    cargo run -- sandbox {{arguments}}

# The benchmark of that name: import, pace, contention, small, schedules or folder
bench name:
    cargo bench --bench {{name}}

# Tarball and Debian package, in target/dist
release *options:
    scripts/release {{options}}

# Licences, sources and advisories of dependencies (needs cargo-deny)
deny:
    cargo deny check

# Dependencies that nothing uses (needs cargo-machete)
unused:
    cargo machete
