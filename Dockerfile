# A static binary and nothing else, as a user without rights. What it keeps is in /data.
FROM golang:1.26 AS build
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata -ldflags "-s -w -buildid= -X main.release=${VERSION}" -o /root-fs/openleash ./cmd/openleash
RUN install -d -m 0700 -o 65532 -g 65532 /root-fs/data && install -d -m 1777 /root-fs/tmp

FROM scratch
COPY --from=build /root-fs/ /
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENV OPENLEASH_DATA=/data OPENLEASH_ADDR=0.0.0.0:8787 OPENLEASH_PUBLIC_URL=http://localhost:8787
VOLUME /data
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/openleash", "health"]
ENTRYPOINT ["/openleash"]
CMD ["start"]
