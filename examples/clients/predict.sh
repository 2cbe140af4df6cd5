#!/bin/sh
# Asks a service of `earmark serve` about sound files; needs curl.
#
#     examples/clients/predict.sh recordings/*.mp3
#
# EARMARK_URL says where the service is; EARMARK_TOKEN is its token, if it has one.
set -eu
url="${EARMARK_URL:-http://127.0.0.1:8000}"
for file in "$@"; do
    # The token goes through standard input, where no list of processes shows it. A service that is
    # busy says when to come back, and curl waits for that.
    printf 'header = "Authorization: Bearer %s"\n' "${EARMARK_TOKEN:-none}" |
        curl --silent --show-error --config - --retry 5 \
            --header "Content-Type: application/octet-stream" \
            --data-binary "@$file" "$url/v1/predict"
    echo
done
