#!/bin/sh
# Calls Avanan, signed by Vault. Needs curl and jq, VAULT_ADDR and VAULT_TOKEN. AVANAN_URL is the address of the config's
# region.
#
#     AVANAN_URL=https://smart-api-production-1-us.avanan.net avanan-curl.sh '/v1.0/msp/usage?year=2026&month=8'
#
# Do not add -L to curl: it would send the headers to any host that a redirect names.
set -eu
# ps and set -x do not show a here-document. The request string is sent as a form, because Vault's audit log contains the
# query of a read as plain text.
curl -fgsS -H @- --data-urlencode "request_string=$1" -- "$VAULT_ADDR/v1/apisig/sign/avanan/us" <<EOF |
X-Vault-Token: $VAULT_TOKEN
EOF
	jq -r .data.header_lines | curl -fgsS -H @- -- "$AVANAN_URL$1"
