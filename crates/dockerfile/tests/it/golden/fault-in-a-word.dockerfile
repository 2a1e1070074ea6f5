FROM base
ENV A=1
LABEL x="${A:?}" \
      y="${MISSING:?is needed}"
