FROM node:22-alpine AS deps
WORKDIR /usr/src/app
RUN --mount=type=bind,source=package.json,target=package.json \
    --mount=type=bind,source=package-lock.json,target=package-lock.json \
    --mount=type=cache,target=/root/.npm,sharing=shared \
    --mount=type=secret,id=npmrc,target=/root/.npmrc,required \
    npm ci --omit=dev
FROM node:22-alpine
ENV NODE_ENV production
WORKDIR /usr/src/app
COPY --from=deps /usr/src/app/node_modules ./node_modules
COPY package*.json src/ ./
HEALTHCHECK --interval=30s --start-period=5s CMD wget -q -O- http://localhost:3000/health || exit 1
STOPSIGNAL SIGQUIT
VOLUME /data
CMD npm start
