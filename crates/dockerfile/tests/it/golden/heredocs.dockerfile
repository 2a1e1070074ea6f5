FROM debian
ARG VERSION=1
RUN <<-EOT
	set -e
	echo "$VERSION"
EOT
RUN <<PY
#!/usr/bin/env python3
print("hi")
PY
COPY <<-"literal.txt" <<expanded.txt /etc/app/
	$VERSION stays
literal.txt
version=${VERSION:-none} '$VERSION' \$VERSION
expanded.txt
RUN cat <<A >/a && cat <<'B' >/b
a
A
b
B
