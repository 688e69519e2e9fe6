# The operator for Apps of Stage 3. The folder of the build holds one static program, operator.
FROM scratch
COPY operator /operator
USER 65532:65532
ENTRYPOINT ["/operator"]
