# Triton from the nvidia-pytriton wheel, as `samfleet up` runs it: NVIDIA's own image is 20 times larger and has
# nothing more for a CPU. The wheel has Triton 2.51, and there is no newer wheel (consequences: docs/adr/0025-images.md).
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS build
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
WORKDIR /source
# With it, the wheel and the compiled bytecode do not depend on when they were made (docs/adr/0069-images-from-hashed-locks.md).
ARG SOURCE_DATE_EPOCH=1580601600
COPY deploy/locks deploy/locks
COPY pyproject.toml README.md LICENSE ./
COPY services services
COPY worker worker
COPY triton_models triton_models
COPY migrations migrations
RUN pip install --no-cache-dir --require-hashes --no-deps --requirement deploy/locks/build.txt \
    && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv /opt/samfleet \
    && /opt/samfleet/bin/pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX_URL" torch==2.13.0 \
    && /opt/samfleet/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement deploy/locks/triton-cpu.txt \
    && /opt/samfleet/bin/pip install --no-cache-dir --no-deps /wheels/samfleet-*.whl \
    && /opt/samfleet/bin/pip check \
    && /opt/samfleet/bin/python -m samfleet_kernels.build

FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1
RUN useradd --uid 10001 --create-home samfleet \
    && install --directory --owner=samfleet --group=samfleet /var/lib/samfleet /var/lib/samfleet/weights /var/lib/samfleet/gates
COPY --from=build /opt/samfleet /opt/samfleet
ARG VERSION=0.1.0
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="samfleet-triton-cpu" \
    org.opencontainers.image.description="Triton of the nvidia-pytriton wheel with the backend of samfleet" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.source="$SOURCE" \
    org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/samfleet/bin:$PATH
USER samfleet
WORKDIR /home/samfleet
EXPOSE 8001 8002
CMD ["python", "-m", "samfleet_cli.local_stack.serve_triton"]
