#!/bin/sh
# Calls Avanan, signed by Vault. Needs vault, logged in by VAULT_ADDR and VAULT_TOKEN, and curl. AVANAN_URL is the address of
# the config's region.
#
#     AVANAN_URL=https://smart-api-production-1-us.avanan.net avanan-vault.sh '/v1.0/msp/usage?year=2026&month=8'
#
# Do not add -L to curl: it would send the headers to any host that a redirect names.
set +x -eu # A trace would show the headers.
headers=$(vault write -format=table -field=header_lines apisig/sign/avanan/us request_string="$1")
# ps does not show a here-document.
curl -fgsS -H @- -- "$AVANAN_URL$1" <<EOF
$headers
EOF
