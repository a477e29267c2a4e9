# Everything that is installed comes from outside, as wheels in dist/ (`make wheels`): no step here needs a network, and
# what the image holds is what requirements-server.txt has the hashes of, spawnpenny, and each other wheel that a site
# put into dist/ or wheels/.
#
# The base needs python3 with venv, of the version that the wheels are for.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
COPY requirements-server.txt /build/
COPY dist/ /build/dist/
RUN python3 -m venv /opt/spawnpenny \
    && export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INDEX=1 PIP_FIND_LINKS=/build/dist PIP_ROOT_USER_ACTION=ignore \
    && /opt/spawnpenny/bin/python -m pip install --quiet --require-hashes -r /build/requirements-server.txt \
    && /opt/spawnpenny/bin/python -m pip install --quiet --no-deps /build/dist/*.whl \
    && /opt/spawnpenny/bin/python -m pip check \
    && /opt/spawnpenny/bin/python -m pip uninstall --quiet --yes pip setuptools

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="spawnpenny" \
      org.opencontainers.image.description="Spawns labs and Dask clusters for JupyterHub, so that the Hub needs no Kubernetes rights" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/spawnpenny /opt/spawnpenny
# The bytecode is there already, and the root file system may be read-only: the home is where alone one may write.
ENV PATH=/opt/spawnpenny/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080 8081
ENTRYPOINT ["spawnpenny"]
CMD ["serve"]
