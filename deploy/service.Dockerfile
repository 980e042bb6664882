# One image for every service, and for the command line: docker build --build-arg SERVICE=router -f deploy/service.Dockerfile .
# Jobs and operators' commands are arguments: docker run IMAGE migrate. The embedded stack is not in it.

FROM python:3.13-slim-trixie AS build
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/switchboard
RUN --mount=type=cache,target=/root/.cache/pip pip install uv==0.13.9
# hadolint ignore=DL3008 # any strip will do; pg_dump is Debian's
RUN apt-get update && apt-get install --yes --no-install-recommends binutils postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The libraries in a layer of their own: it changes only with the lock.
COPY pyproject.toml uv.lock README.md ./
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=shared,target=/src/shared \
    --mount=type=bind,source=services,target=/src/services \
    --mount=type=bind,source=cli,target=/src/cli \
    # Pygments colours source code on terminals, which nobody prints here: 10 MB.
    uv sync --frozen --no-dev --package switchboard-cli --no-install-workspace --no-install-package pygments \
    # Compiled parts without what a debugger would read of them: 30 MB. The bundled libpq bears no stripping.
    && find /opt/switchboard -name '*.so' -not -path '*.libs/*' -exec strip --strip-unneeded {} +
COPY shared shared
COPY services services
COPY cli cli
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --no-editable --package switchboard-cli --no-install-package pygments
# Bytecode of what is imported, and of nothing else: half of it, 17 MB. Where a module is missing, no image comes to be.
RUN ["/opt/switchboard/bin/python", "-c", "from switchboard_cli import access, app, auditing, backups, dead_letters, \
    development_issuer, doctor, erasing, practice_api, practice_files, records, replaying, serving, topic_files, topics, waiting"]

FROM python:3.13-slim-trixie
# pg_dump and pg_restore, for `backup` and `restore`: their package would bring a Perl along, 50 MB.
# hadolint ignore=DL3008 # Debian's
RUN apt-get update && apt-get install --yes --no-install-recommends libpq5 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=build /usr/lib/postgresql/17/bin/pg_dump /usr/lib/postgresql/17/bin/pg_restore /usr/local/bin/
# The directories are where volumes are mounted: a new volume takes on their owner.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin switchboard \
    && install -d -o switchboard -g switchboard -m 0750 /var/lib/switchboard /run/switchboard
COPY --from=build /opt/switchboard /opt/switchboard
ARG SERVICE
ENV SWITCHBOARD_SERVICE=${SERVICE} PATH=/opt/switchboard/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8000
# Ready is about progress: a consumer that has stopped polling is unhealthy, though its process answers.
HEALTHCHECK --interval=5s --timeout=5s --start-period=180s --retries=3 \
    CMD ["python", "-I", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
# `serve` handles SIGTERM itself, as process 1.
ENTRYPOINT ["switchboard"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
