#!/bin/sh
# Calls PAVE with headers from Vault. Needs curl and jq, VAULT_ADDR and VAULT_TOKEN.
#
#     pave-curl.sh https://openapi.paveapi.com/v1/sessions
#
# Do not add -L to curl: it would send the headers to any host that a redirect names.
set -eu
# ps and set -x do not show a here-document.
curl -fgsS -H @- -- "$VAULT_ADDR/v1/apisig/creds/pave/main" <<EOF | jq -r .data.header_lines | curl -fgsS -H @- -- "$1"
X-Vault-Token: $VAULT_TOKEN
EOF
