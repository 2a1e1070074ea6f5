FROM debian:it AS build
ARG SERVER
RUN python3 -m venv /venv
COPY requirements.txt /
RUN --mount=type=cache,target=/root/.cache/pip \
    /venv/bin/pip install --disable-pip-version-check --index-url=$SERVER/simple/ --trusted-host=mirror \
        --requirement=/requirements.txt

FROM debian:it
COPY --from=build /venv /venv
WORKDIR /app
COPY app.py .
USER nobody
ENTRYPOINT ["/venv/bin/python", "app.py"]
