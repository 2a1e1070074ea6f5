# escape=`
FROM base
ENV dir="C:\x" other=a`
b
RUN echo `
    one `
    two
COPY a\b C:\dst\
