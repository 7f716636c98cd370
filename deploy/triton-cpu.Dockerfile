# Triton from the nvidia-pytriton wheel, as `samfleet up` runs it: NVIDIA's own image is 20 times larger and has
# nothing more for a CPU. The wheel has Triton 2.51, and there is no newer wheel (consequences: docs/adr/0025-images.md).
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS build
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY services services
COPY worker worker
COPY triton_models triton_models
COPY migrations migrations
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/samfleet \
    && /opt/samfleet/bin/pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX_URL" torch==2.13.0 \
    && /opt/samfleet/bin/pip install --no-cache-dir --constraint constraints.txt "$(ls /wheels/samfleet-*.whl)[triton]" nvidia-pytriton==0.7.0 \
    && /opt/samfleet/bin/python -m samfleet_kernels.build

FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1
RUN useradd --uid 10001 --create-home samfleet \
    && install --directory --owner=samfleet --group=samfleet /var/lib/samfleet /var/lib/samfleet/weights /var/lib/samfleet/gates
COPY --from=build /opt/samfleet /opt/samfleet
ENV PATH=/opt/samfleet/bin:$PATH
USER samfleet
WORKDIR /home/samfleet
EXPOSE 8001 8002
CMD ["python", "-m", "samfleet_cli.local_stack.serve_triton"]
