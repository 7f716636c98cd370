# NVIDIA's Triton with our backend and variants. 25.03 is Triton 2.56 with Python 3.12 and CUDA 12.8; releases before
# 24.11 have Python 3.10, for which samfleet is not made.
FROM python:3.11.13-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY services services
COPY worker worker
COPY triton_models triton_models
COPY migrations migrations
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . && cp constraints.txt /wheels

FROM nvcr.io/nvidia/tritonserver:25.03-py3
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --constraint /wheels/constraints.txt --break-system-packages "$(ls /wheels/samfleet-*.whl)[triton]"
# The CPU build of ONNX Runtime and the GPU build are one Python module: the later one must be the only one.
RUN pip uninstall --yes --break-system-packages onnxruntime \
    && pip install --no-cache-dir --constraint /wheels/constraints.txt --break-system-packages onnxruntime-gpu==1.23.2
COPY triton_models/backends/sam /opt/tritonserver/backends/sam
COPY triton_models/repository /opt/samfleet/repository
COPY --chmod=755 deploy/triton-gpu.sh /usr/local/bin/serve-triton
RUN install --directory --owner=triton-server /var/lib/samfleet /var/lib/samfleet/gates
USER triton-server
EXPOSE 8000 8001 8002
CMD ["serve-triton"]
