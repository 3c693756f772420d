# syntax=docker/dockerfile:1
# The image of a release: what GoReleaser built, in the last stage of Dockerfile. A test holds the two to each other.
ARG RUNTIME_IMAGE=gcr.io/distroless/static-debian12:nonroot

FROM ${RUNTIME_IMAGE} AS folders
WORKDIR /etc/meridian/keys
WORKDIR /etc/meridian/public
WORKDIR /var/lib/meridian

FROM ${RUNTIME_IMAGE}
ARG TARGETPLATFORM
COPY ${TARGETPLATFORM}/meridian /usr/local/bin/meridian
# Where volumes are mounted: a new volume takes the owner of the folder.
COPY --from=folders --chown=65532:65532 /etc/meridian /etc/meridian
COPY --from=folders --chown=65532:65532 /var/lib/meridian /var/lib/meridian
ENV MERIDIAN_LISTEN=0.0.0.0:8080 MERIDIAN_ADMIN_LISTEN=0.0.0.0:9090
EXPOSE 8080 9090
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["/usr/local/bin/meridian", "health"]
ENTRYPOINT ["/usr/local/bin/meridian"]
