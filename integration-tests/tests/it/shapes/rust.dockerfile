FROM debian:it AS build
WORKDIR /src
COPY . .
RUN --mount=type=bind,from=rust:it,target=/opt/rust --mount=type=cache,target=/src/target <<EOF
    set -e
    export PATH=/opt/rust/bin:$PATH RUSTFLAGS=-Ctarget-feature=+crt-static
    cargo build --release --offline
    cp target/release/app /app
EOF

FROM scratch
COPY --from=build /app /
ENTRYPOINT ["/app"]
