FROM base
RUN --mount=type=bind,target=/x \
    --mont=type=cache \
    true
CMD x
