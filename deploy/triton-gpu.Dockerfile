# NVIDIA's Triton with our backend and variants. 26.07 is Triton 2.71 with Python 3.12 and CUDA 13.3, for drivers from 580 on.
# torch, ONNX Runtime and their libraries use CUDA 13.0: one CUDA generation in the whole image (docs/adr/0025-images.md).
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS build
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
    && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . && cp deploy/locks/triton-gpu.txt /wheels

FROM nvcr.io/nvidia/tritonserver:26.07-py3@sha256:551599c0812bb706121410a71abda07f9920d25e6c66edf1ec07a375e49f5f90
COPY --from=build /wheels /wheels
# A separate environment leaves the image's packages unchanged. Triton's stub uses the environment whose python3 is first on
# PATH, and our backend adds PYTHONPATH. numpy is 2 here: only the stub of the embedded Triton needs numpy 1.
ARG SOURCE_DATE_EPOCH=1580601600
RUN python3 -m venv --without-pip /opt/samfleet/venv \
    && pip --python /opt/samfleet/venv/bin/python install --no-cache-dir --require-hashes --no-deps \
        --requirement /wheels/triton-gpu.txt \
    && pip --python /opt/samfleet/venv/bin/python install --no-cache-dir --no-deps /wheels/samfleet-*.whl \
    && pip --python /opt/samfleet/venv/bin/python check \
    && /opt/samfleet/venv/bin/python3 -m samfleet_kernels.build # `samfleet up` runs this image on CPUs too
COPY triton_models/backends/sam /opt/tritonserver/backends/sam
COPY triton_models/repository /opt/samfleet/repository
COPY --chmod=755 deploy/triton-gpu.sh /usr/local/bin/serve-triton
RUN install --directory --owner=triton-server /var/lib/samfleet /var/lib/samfleet/gates /var/lib/samfleet/compiled
ARG VERSION=0.1.0
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="samfleet-triton-gpu" \
    org.opencontainers.image.description="NVIDIA's Triton with the backend of samfleet, for GPUs and CPUs" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.source="$SOURCE" \
    org.opencontainers.image.licenses="Apache-2.0"
# Code compiled for the GPU is kept in a volume. Expandable segments waste less memory on images of many sizes.
ENV PATH=/opt/samfleet/venv/bin:$PATH \
    PYTHONPATH=/opt/samfleet/venv/lib/python3.12/site-packages \
    PYTHONDONTWRITEBYTECODE=1 \
    CUDA_CACHE_PATH=/var/lib/samfleet/compiled/cuda \
    TORCHINDUCTOR_CACHE_DIR=/var/lib/samfleet/compiled/inductor \
    TRITON_CACHE_DIR=/var/lib/samfleet/compiled/triton \
    PYTORCH_ALLOC_CONF=expandable_segments:True
USER triton-server
EXPOSE 8001 8002
CMD ["serve-triton"]
