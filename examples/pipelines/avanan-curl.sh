#!/bin/sh
# Calls Avanan, signed by Vault. Needs curl and jq, VAULT_ADDR and VAULT_TOKEN.
#
#     avanan-curl.sh '/v1.0/msp/usage?year=2026&month=8'
set -eu
# A here-document is shown neither by ps nor by set -x.
curl -fgsS -K - -G --data-urlencode "request_string=$1" -- "$VAULT_ADDR/v1/apisig/sign/avanan/us" <<EOF |
header = "X-Vault-Token: $VAULT_TOKEN"
EOF
	jq -r '(.data.headers | to_entries[] | "header = \"\(.key): \(.value)\""), "url = \(.data.url | tojson)"' |
	curl -fgsS -K -
