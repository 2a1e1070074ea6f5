FROM debian:it
ARG SERVER
RUN rm -r /etc/apt/sources.list* && echo "deb [trusted=yes] $SERVER/debian ./" >/etc/apt/sources.list
ARG PACKAGES=jq
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install --yes --no-install-recommends $PACKAGES
COPY <<EOF /data.json
{"greeting": "hello, apt"}
EOF
CMD ["jq", "--raw-output", ".greeting", "/data.json"]
