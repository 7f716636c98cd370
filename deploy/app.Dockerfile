# API, worker, beat, migrations and the samfleet command in one image; docker-compose.yml chooses one by its command.
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY services services
COPY worker worker
COPY triton_models triton_models
COPY migrations migrations
# More extras, such as video,formats: their packages carry code under the GPL, so an image has them only on request.
ARG EXTRAS=""
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/samfleet \
    && /opt/samfleet/bin/pip install --no-cache-dir --constraint constraints.txt "$(ls /wheels/samfleet-*.whl)[api,cli,geo,otel,parquet,worker${EXTRAS:+,$EXTRAS}]"

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
ENV PATH=/opt/samfleet/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER samfleet
WORKDIR /home/samfleet
CMD ["samfleet", "--help"]
