# Volition in a container: the same locks, the same .ci/venv and the same `volition serve` as on a
# plain machine (make venv, make serve).
#
#   docker build -t volition .
#   docker run --rm --network host volition
#
# LSL finds streams by multicast, which a bridge network does not carry: the container shares the
# host's network, and the service answers on the host's loopback. On any other address it starts
# only with a token; docker/compose.yaml shows how. Recordings and tokens are kept in /data.

ARG PYTHON=3.13-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
COPY pyproject.toml ./
COPY .ci/venv .ci/venv
COPY .ci/locks/build.txt .ci/locks/runtime.txt .ci/locks/
RUN .ci/venv /opt/build .ci/locks/build.txt
RUN .ci/venv /opt/volition .ci/locks/runtime.txt
COPY README.md LICENSE ./
COPY benchmarks benchmarks
COPY decoders decoders
COPY models models
COPY service service
COPY src src
COPY streams streams
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheels
RUN /opt/volition/bin/python -m pip install -qq --no-deps --no-index /wheels/*.whl

FROM python:${PYTHON}
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin volition \
    && install -d -o volition -g volition /data
COPY --from=build /opt/volition /opt/volition
ENV PATH=/opt/volition/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    VOLITION_DATA=/data \
    VOLITION_TOKENS=/data/tokens.json \
    VOLITION_PORT=8765
USER volition
WORKDIR /home/volition
VOLUME /data
# VOLITION_PORT tells the check where `serve --port` listens.
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"VOLITION_PORT\"]}/healthz', timeout=2)"]
ENTRYPOINT ["volition"]
CMD ["serve"]
