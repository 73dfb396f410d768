# Two images from one file: `service` runs every process of Tillstream, `stripe` the look-alike for trying it out.

FROM python:3.13-slim AS service
WORKDIR /app
COPY requirements-installer.lock requirements-service.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-installer.lock \
 && uv pip install --system --no-cache --require-hashes -r requirements-service.lock
COPY domain domain
COPY schemas schemas
COPY runtime runtime
COPY eventlog eventlog
COPY vault vault
COPY gateways gateways
COPY migrations migrations
COPY commands commands
COPY projections projections
COPY consumers consumers
COPY api api
RUN useradd --system --no-create-home tillstream
USER tillstream
ENV PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=1
CMD ["python", "-m", "api"]

FROM service AS stripe
USER root
COPY requirements-lookalike.lock ./
RUN uv pip install --system --no-cache --require-hashes -r requirements-lookalike.lock
COPY sandbox sandbox
RUN mkdir /data && chown tillstream /data
USER tillstream
