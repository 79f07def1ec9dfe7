#!/bin/sh
# Calls both vendors through apisig-proxy, and knows nothing but base URLs:
#
#     AVANAN_URL=http://127.0.0.1:8410/avanan/us PAVE_URL=http://127.0.0.1:8410/pave sh application.sh
set -eu
curl -fsS "$AVANAN_URL/v1.0/event/1"
curl -fsS -d '{"requestData": {}}' -H 'Content-Type: application/json' "$AVANAN_URL/v1.0/event/query"
curl -fsS "$PAVE_URL/v1/sessions"
