#!/bin/sh
# Calls PAVE with headers from Vault. Needs vault, logged in by VAULT_ADDR and VAULT_TOKEN, and curl.
#
#     pave-vault.sh https://openapi.paveapi.com/v1/sessions
#
# Do not add -L to curl: it would send the headers to any host that a redirect names.
set +x -eu # A trace would show the headers.
headers=$(vault read -format=table -field=header_lines apisig/creds/pave/main)
# ps does not show a here-document.
curl -fgsS -H @- -- "$1" <<EOF
$headers
EOF
