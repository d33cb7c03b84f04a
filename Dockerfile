# One image for every role: the program alone, linked statically, on nothing. `docker build -t rates:local .`
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
COPY . .
# The caches live on the build machine and in no layer; what is wanted is copied out of them in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    host="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked -p rates --target "$host" \
    && mkdir -p /image/data /image/tmp \
        /image/secrets/postgres /image/secrets/rabbitmq /image/secrets/redis /image/secrets/rates /image/secrets/grafana \
    && cp "target/$host/release/rates" /image/rates

FROM scratch
# A new volume takes the owner of the folder that it is laid over, so the folders must be there.
COPY --from=build --chown=65532:65532 /image/ /
USER 65532:65532
WORKDIR /data
ENV RATES_LISTEN=0.0.0.0:8000
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["/rates", "healthcheck"]
ENTRYPOINT ["/rates"]
CMD ["run"]
