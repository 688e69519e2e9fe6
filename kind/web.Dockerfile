# What an App runs in the journeys. The folder of the build holds one static program, web.
FROM scratch
COPY web /web
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/web"]
