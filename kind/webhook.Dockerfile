# The webhook behind a Service of Stage 4. The folder of the build holds one static program, webhook.
FROM scratch
COPY webhook /webhook
USER 65532:65532
EXPOSE 8443
ENTRYPOINT ["/webhook"]
