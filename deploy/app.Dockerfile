# API, worker, beat, migrations and the samfleet command in one image; docker-compose.yml chooses one by its command.
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
# More extras, such as video,formats: their packages carry code under the GPL, so an image has them only on request.
ARG EXTRAS=""
RUN pip install --no-cache-dir --require-hashes --no-deps --requirement deploy/locks/build.txt \
    && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv /opt/samfleet \
    && /opt/samfleet/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement deploy/locks/app.txt \
    && for extra in $(echo "$EXTRAS" | tr , ' '); do \
        /opt/samfleet/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement "deploy/locks/$extra.txt"; done \
    && /opt/samfleet/bin/pip install --no-cache-dir --no-deps /wheels/samfleet-*.whl \
    && /opt/samfleet/bin/pip check

FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1
RUN useradd --uid 10001 --create-home samfleet \
    && install --directory --owner=samfleet --group=samfleet /var/lib/samfleet /var/lib/samfleet/weights /var/lib/samfleet/site
# The wheel of rasterio does not contain this library, and without it GeoTIFFs would silently have no place on the earth.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/samfleet /opt/samfleet
ARG EXTRAS=""
RUN /opt/samfleet/bin/python -B -c "import opentelemetry.sdk, pyarrow.parquet, pyogrio, rasterio" \
    && case ",$EXTRAS," in *,video,*) /opt/samfleet/bin/python -B -c "import av" ;; esac \
    && case ",$EXTRAS," in *,formats,*) /opt/samfleet/bin/python -B -c "import pillow_heif, pillow_jxl" ;; esac
COPY deploy/create_bucket.py deploy/ask.py /opt/deploy/
ARG VERSION=0.1.0
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="samfleet" \
    org.opencontainers.image.description="API, worker, beat, migrations and command of samfleet" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.source="$SOURCE" \
    org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/samfleet/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER samfleet
WORKDIR /home/samfleet
CMD ["samfleet", "--help"]
