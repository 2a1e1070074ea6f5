ARG RUST=1.95
FROM --platform=$BUILDPLATFORM rust:${RUST} AS chef
WORKDIR /src
RUN cargo install cargo-chef

FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS builder
ARG TARGETARCH
COPY --from=planner /src/recipe.json .
RUN --mount=type=cache,id=registry-$TARGETARCH,target=/usr/local/cargo/registry,sharing=locked \
    cargo chef cook --release --recipe-path recipe.json
COPY --exclude=*.md --exclude=target . .
RUN cargo build --release

FROM gcr.io/distroless/cc AS unused
COPY --from=builder /src/target/release/app /unused

FROM scratch
COPY --from=builder --chown=65532:65532 --chmod=u=rx,go= /src/target/release/app /app
COPY --link --from=docker.io/library/alpine:3 /etc/ssl/certs /etc/ssl/certs
USER 65532
ENTRYPOINT ["/app"]
