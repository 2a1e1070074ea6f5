FROM base AS one
COPY --from=two /a /b
FROM base AS two
FROM one
