#!/usr/bin/env bash
# Installs the packages and the programs into $OUT; arguments go to npm.
#
# @confluentinc/kafka-javascript fetches a compiled library from its release page. Where that page is
# out of reach it compiles the librdkafka it carries; CKJS_LINKING=dynamic makes that use the system's
# zlib, OpenSSL and zstd instead of fetching their sources too.
set -euo pipefail
cp package.json package-lock.json .npmrc ./*.mjs "$OUT/"
cd "$OUT"
npm ci "$@" && exit
echo "no compiled library at hand: compiling librdkafka" >&2
zstd=$(echo '#include <zstd.h>' | cc -E - >/dev/null 2>&1 && echo yes || echo no)
if [[ $zstd = no && $(id -u) = 0 ]] && command -v apt-get >/dev/null; then
  apt-get install -y --no-install-recommends libzstd-dev libssl-dev zlib1g-dev
fi
CKJS_LINKING=dynamic npm ci "$@"
