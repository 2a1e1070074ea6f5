FROM base
RUN --network=none --security=insecure --device=vendor.com/gpu=all,required --mount=type=ssh,id=default --mount=type=tmpfs,target=/tmp,size=64m --mount=type=cache,dst=/c,ro,from=seed,source=/s,mode=0750,uid=1000,gid=50 ["make", "all"]
ADD --checksum=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 --chmod=0644 https://example.com/a.tar.gz /dl/
ADD --keep-git-dir=true https://example.com/r.git?branch=main /src
ADD --unpack=false local.tar /dl/
COPY --parents ./x/./y/*.txt /out/
ONBUILD COPY . /app
ONBUILD RUN make \
    install
MAINTAINER somebody
SHELL ["/bin/bash", "-c"]
HEALTHCHECK NONE
LABEL a=1 \
      b="two words"
