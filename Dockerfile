# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked && cp target/release/quittance /quittance

# The development node, in the version that the tests use: `docker build --target anvil .`
FROM node:22-bookworm-slim AS anvil
ARG TARGETARCH
RUN npm install --global --ignore-scripts --no-audit --no-fund "@foundry-rs/anvil-linux-$TARGETARCH@1.7.1"
USER node
RUN mkdir /home/node/state
EXPOSE 8545
ENTRYPOINT ["anvil", "--host", "0.0.0.0"]

FROM debian:bookworm-slim AS quittance
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data quittance \
    && install --directory --owner quittance --mode 0700 /data
COPY --from=build /quittance /usr/local/bin/quittance
USER quittance
# Secrets, keystore and, in the embedded default, the database: keep this volume. Where api and worker are two, hand the secrets
# of tokens to both by the environment, and the keystore to workers alone.
VOLUME /data
# Whoever runs a role behind a published port sets QUITTANCE_LISTEN, as docker-compose.yml does. Without a command this is
# the playground, on loopback alone: try it with `docker run --network host`. It does not start on a public address.
ENV QUITTANCE_DATA_DIR=/data QUITTANCE_LISTEN=127.0.0.1:9154
EXPOSE 9154
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["curl", "-fsS", "http://127.0.0.1:9154/health/live"]
ENTRYPOINT ["quittance"]
