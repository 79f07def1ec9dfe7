#!/bin/sh
# Calls PAVE with headers from Vault. Needs curl and jq, VAULT_ADDR and VAULT_TOKEN.
#
#     pave-curl.sh https://openapi.paveapi.com/v1/sessions
set -eu
# A here-document is shown neither by ps nor by set -x.
curl -fgsS -K - -- "$VAULT_ADDR/v1/apisig/creds/pave/main" <<EOF |
header = "X-Vault-Token: $VAULT_TOKEN"
EOF
	jq -r '.data.headers | to_entries[] | "header = \"\(.key): \(.value)\""' |
	curl -fgsS -K - -- "$1"
