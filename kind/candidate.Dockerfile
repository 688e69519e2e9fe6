# The candidate of Stage 6, 01-leader-election. The folder of the build holds one static program, candidate.
FROM scratch
COPY candidate /candidate
USER 65532:65532
ENTRYPOINT ["/candidate"]
