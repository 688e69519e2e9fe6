# The operator for Calculates of Stage 3. The folder of the build holds one static program, calculate.
FROM scratch
COPY calculate /calculate
USER 65532:65532
ENTRYPOINT ["/calculate"]
