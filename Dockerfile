# EnvioMQ: one small image for broker, publisher and subscriber.
#
#   docker compose up --build                      from source (the default, last stage)
#   docker build --target prebuilt -t enviomq .    from dist/enviomq, a static executable
#                                                  that `cargo xtask executable` has built

# The folder that becomes a volume. A new volume takes over owner and mode from here;
# WORKDIR is what can make a folder in an image without a shell.
FROM scratch AS folders
WORKDIR /data

# Everything but the executable.
FROM scratch AS base
COPY --from=folders --chown=10001:10001 /data /data
COPY LICENSE* /
ENV ENVIOMQ_DATA_DIR=/data
WORKDIR /data
USER 10001:10001
EXPOSE 8883 8000 8001
ENTRYPOINT ["/enviomq"]
CMD ["broker"]

# The pattern matches nothing in a clone, which is no error as LICENSE is there: builders
# without BuildKit pass through this stage on their way to the last one.
FROM base AS prebuilt
COPY LICENSE dist/enviomq* /

FROM rust:1.95-slim-bookworm AS source
WORKDIR /source
COPY . .
# Static, for an image without libraries; --target keeps the flag away from build scripts.
RUN triple="$(rustc -vV | sed -n 's/^host: //p')" \
 && RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --package enviomq --profile container --target "$triple" \
 && install -D "target/$triple/container/enviomq" /out/enviomq

FROM base
COPY --from=source /out/enviomq /enviomq
