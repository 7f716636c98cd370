# NVIDIA's Triton with our backend and variants. 26.07 is Triton 2.71 with Python 3.12 and CUDA 13.3, for drivers from 580 on.
# torch, ONNX Runtime and their libraries use CUDA 13.0: one CUDA generation in the whole image (docs/adr/0025-images.md).
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY services services
COPY worker worker
COPY triton_models triton_models
COPY migrations migrations
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . && cp constraints.txt /wheels

FROM nvcr.io/nvidia/tritonserver:26.07-py3@sha256:551599c0812bb706121410a71abda07f9920d25e6c66edf1ec07a375e49f5f90
COPY --from=build /wheels /wheels
# A separate environment leaves the image's packages unchanged. Triton's stub uses the environment whose python3 is first on
# PATH, and our backend adds PYTHONPATH. numpy is 2 here: only the stub of the embedded Triton needs numpy 1.
RUN python3 -m venv --without-pip /opt/samfleet/venv \
    && grep -vE '^(numpy|onnxruntime)==' /wheels/constraints.txt > /wheels/constraints-gpu.txt \
    && pip --python /opt/samfleet/venv/bin/python install --no-cache-dir --constraint /wheels/constraints-gpu.txt \
        "$(ls /wheels/samfleet-*.whl)[triton-gpu]" numpy==2.4.6 \
    && /opt/samfleet/venv/bin/python3 -m samfleet_kernels.build # `samfleet up` runs this image on CPUs too
COPY triton_models/backends/sam /opt/tritonserver/backends/sam
COPY triton_models/repository /opt/samfleet/repository
COPY --chmod=755 deploy/triton-gpu.sh /usr/local/bin/serve-triton
RUN install --directory --owner=triton-server /var/lib/samfleet /var/lib/samfleet/gates /var/lib/samfleet/compiled
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
