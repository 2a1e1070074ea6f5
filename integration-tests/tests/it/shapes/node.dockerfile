FROM debian:it AS node
COPY --from=node:it / /usr/local/

FROM node AS packages
ARG SERVER
WORKDIR /app
COPY package.json .
RUN --mount=type=cache,target=/root/.npm \
    npm install --registry=$SERVER/npm/ --no-audit --no-fund --no-update-notifier

FROM node
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY index.js .
CMD ["node", "index.js"]
