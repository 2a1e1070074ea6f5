FROM alpine AS a
RUN echo a > /a
FROM alpine AS b
RUN echo b > /b
FROM alpine AS c
RUN --mount=from=b,target=/b cat /b/b > /c
FROM scratch
COPY --from=a /a /
COPY --from=2 /c /
